import { empty, error, header, json, parameter, raw, ref } from "./openapi-parts.ts";
import { INTEROP_VERSION, PARTIAL_UPLOAD } from "./resumable.ts";

const anyBytes = { content: { "*/*": { schema: { type: "string", format: "binary" } } } };

const digestFields = [
  header("Repr-Digest", "RFC 9530; the whole layer must have these digests (sha-256, sha-512)"),
  header("Content-Digest", "RFC 9530; as Repr-Digest, where the request carries the whole layer"),
];

const draft = [
  header("Upload-Complete", "?1 when the request carries the rest of the layer, ?0 when more will follow"),
  header("Upload-Length", "Bytes of the whole layer", "integer"),
  header("Upload-Draft-Interop-Version", `${INTEROP_VERSION}: asks for a 104 that says where to resume`),
];

const rangeFields = [
  header("Range", "bytes=0-99, bytes=100-, bytes=-100, or several (RFC 9110 §14.2)"),
  ...["If-Range", "If-Match", "If-None-Match"].map((name) => header(name, "RFC 9110 §13")),
];

export const layerPaths = {
  "/layer": {
    get: {
      summary: "The layers, newest first",
      parameters: [parameter("n"), parameter("last")],
      responses: {
        "200": json("A page; Link names the next one", {
          type: "object",
          required: ["layers"],
          properties: { layers: { type: "array", items: ref("Layer") }, next: { type: "string" } },
        }),
        "400": error("A parameter is no number"),
      },
    },
    post: {
      summary: "Store a layer; with Upload-Complete, begin a resumable upload",
      parameters: [parameter("digest"), ...digestFields, ...draft],
      requestBody: {
        description: "Any bytes, of any length. A multipart/form-data body has one or more files.",
        content: { ...anyBytes.content, "multipart/form-data": { schema: { type: "object" } } },
      },
      responses: {
        "201": json("Stored, durably; or the upload has begun", {
          anyOf: [ref("Layer"), { type: "array", items: ref("Layer") }, ref("Progress")],
        }),
        "400": error("The bytes are not what was announced, or the request makes no sense"),
        "413": error("Larger than layers may be"),
        "415": error("Sent with a Content-Encoding"),
        "507": error("No room left"),
      },
    },
    options: {
      summary: "Limits of resumable uploads, as Upload-Limit",
      responses: { "204": empty("Allow, Upload-Limit") },
    },
  },
  "/layer/{id}": {
    parameters: [parameter("layerId")],
    get: {
      summary: "The bytes of a layer, or ranges of them",
      parameters: rangeFields,
      responses: {
        "200": raw("The whole layer"),
        "206": raw("Content-Range, or multipart/byteranges for several ranges"),
        "304": empty("The client has it already"),
        "400": error("Not a layer id"),
        "404": error("No such layer"),
        "412": error("If-Match does not hold"),
        "416": error("The range cannot be satisfied"),
      },
    },
    head: {
      summary: "The headers of GET; Upload-Offset while the layer is still arriving",
      responses: {
        "200": empty("It is here"),
        "400": empty("Not a layer id"),
        "404": empty("It is not, or not yet: Upload-Offset says how much is"),
      },
    },
    put: {
      summary: "Store a layer under its digest; with Content-Range, a part of it",
      parameters: [header("Content-Range", "bytes FIRST-LAST/TOTAL (RFC 9110 §14.5)"), ...digestFields],
      requestBody: anyBytes,
      responses: {
        "200": json("The same bytes were here already", ref("Layer")),
        "201": json("Stored, durably", ref("Layer")),
        "202": json("The part has arrived; Upload-Offset says how much is here", ref("Progress")),
        "400": error("The bytes have another digest or length, or this is no id"),
        "409": error("There is a gap before this part; Upload-Offset says where to go on"),
        "412": error("A precondition does not hold"),
        "413": error("Larger than layers may be"),
        "415": error("Sent with a Content-Encoding"),
        "507": error("No room left"),
      },
    },
    delete: {
      summary: "Forget a layer",
      responses: {
        "204": empty("Forgotten"),
        "400": error("Not a layer id"),
        "404": error("No such layer"),
        "409": error("A manifest still needs it"),
      },
    },
  },
  "/layer/uploads/{id}": {
    parameters: [{ name: "id", in: "path", required: true, schema: { type: "string" } }],
    head: {
      summary: "Where a resumable upload stands",
      responses: {
        "204": empty("Upload-Offset, Upload-Complete"),
        "400": empty("Odd"),
        "404": empty("Unknown"),
      },
    },
    patch: {
      summary: "Append to a resumable upload",
      parameters: [{ ...header("Upload-Offset", "Where it stands", "integer"), required: true }, ...draft],
      requestBody: { content: { [PARTIAL_UPLOAD]: { schema: { type: "string", format: "binary" } } } },
      responses: {
        "201": json("Appended; the layer when it is complete", { anyOf: [ref("Layer"), ref("Progress")] }),
        "400": error("The upload is complete already, or the bytes are not what was announced"),
        "404": error("No such upload"),
        "409": error("It stands elsewhere: Upload-Offset"),
        "415": error("Not application/partial-upload"),
      },
    },
    delete: {
      summary: "Cancel a resumable upload",
      responses: { "204": empty("Cancelled"), "400": error("Odd"), "404": error("No such upload") },
    },
  },
};
