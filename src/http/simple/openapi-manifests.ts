import { empty, error, header, json, parameter, ref } from "./openapi-parts.ts";

const manifest = {
  description: "The manifest, byte for byte what its digest covers",
  content: { "application/vnd.oci.image.manifest.v1+json": { schema: ref("ImageManifest") } },
};

export const manifestPaths = {
  "/manifest": {
    get: {
      summary: "The manifests, newest first",
      parameters: [parameter("n"), parameter("last")],
      responses: {
        "200": json("A page; Link names the next one", {
          type: "object",
          required: ["manifests"],
          properties: { manifests: { type: "array", items: ref("Manifest") }, next: { type: "string" } },
        }),
        "400": error("A parameter is no number"),
      },
    },
    post: {
      summary: "Make an OCI manifest of layers that are here",
      requestBody: { required: true, content: { "application/json": { schema: ref("ManifestRequest") } } },
      responses: {
        "201": json("Stored, durably. The same request gives the same id.", ref("PostedManifest")),
        "400": error("The JSON is wrong, a layer is not here, or is no tar"),
        "404": error("The subject is not here"),
        "413": error("Too large"),
        "415": error("Sent with a Content-Encoding"),
        "507": error("No room left"),
      },
    },
  },
  "/manifest/{id}": {
    parameters: [parameter("reference")],
    get: {
      summary: "A manifest by id or tag",
      parameters: [header("If-None-Match", "RFC 9110 §13.1.2"), header("Range", "RFC 9110 §14.2")],
      responses: {
        "200": manifest,
        "206": manifest,
        "304": empty("The client has it already"),
        "400": error("Neither an id nor a tag"),
        "404": error("No such manifest, or tag"),
        "412": error("If-Match does not hold"),
        "416": error("The range cannot be satisfied"),
      },
    },
    head: {
      summary: "The headers of GET",
      responses: {
        "200": empty("It is here"),
        "400": empty("Neither an id nor a tag"),
        "404": empty("It is not"),
      },
    },
    delete: {
      summary: "Delete a manifest and its tags",
      responses: {
        "204": empty("Deleted"),
        "400": error("Neither an id nor a tag"),
        "404": error("No such manifest"),
        "412": error("The tag moved meanwhile"),
      },
    },
  },
};
