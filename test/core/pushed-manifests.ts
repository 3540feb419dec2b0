import { createHash } from "node:crypto";

/*
 * Manifests as real clients push them: the fields that each writes, in its order and its media types. The digests
 * are made up.
 */

export const OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json";
export const OCI_INDEX = "application/vnd.oci.image.index.v1+json";
export const DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json";
export const DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json";
export const OCI_CONFIG = "application/vnd.oci.image.config.v1+json";
export const OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip";

export const sha256 = (content: string) => `sha256:${createHash("sha256").update(content).digest("hex")}`;
export const sha512 = (content: string) => `sha512:${createHash("sha512").update(content).digest("hex")}`;

/** A descriptor of content that is told apart by its name. */
export const describe = (mediaType: string, name: string, size = 1000) => ({
  mediaType,
  digest: sha256(name),
  size,
});

const EMPTY = { mediaType: "application/vnd.oci.empty.v1+json", digest: sha256("{}"), size: 2 };
const SUBJECT = describe(OCI_MANIFEST, "signed image", 7682);
const child = (name: string, platform: object) => ({ ...describe(OCI_MANIFEST, name), platform });

export interface Pushed {
  readonly contentType: string;
  readonly document: object;
  /** How many descriptors are where: blobs, foreign blobs, manifests. */
  readonly points: readonly [number, number, number];
  readonly artifactType?: string;
}

export const PUSHED: Readonly<Record<string, Pushed>> = {
  "docker push": {
    contentType: DOCKER_MANIFEST,
    document: {
      schemaVersion: 2,
      mediaType: DOCKER_MANIFEST,
      config: describe("application/vnd.docker.container.image.v1+json", "config", 1469),
      layers: ["a", "b"].map((name) => describe("application/vnd.docker.image.rootfs.diff.tar.gzip", name)),
    },
    points: [3, 0, 0],
    artifactType: "application/vnd.docker.container.image.v1+json",
  },
  "a Windows image of Docker's": {
    contentType: DOCKER_MANIFEST,
    document: {
      schemaVersion: 2,
      mediaType: DOCKER_MANIFEST,
      config: describe("application/vnd.docker.container.image.v1+json", "config"),
      layers: [
        {
          ...describe("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "nanoserver", 102_703_785),
          urls: [`https://mcr.microsoft.com/v2/windows/nanoserver/blobs/${sha256("nanoserver")}`],
        },
        describe("application/vnd.docker.image.rootfs.diff.tar.gzip", "a"),
      ],
    },
    points: [2, 1, 0],
    artifactType: "application/vnd.docker.container.image.v1+json",
  },
  "docker manifest push": {
    contentType: DOCKER_LIST,
    document: {
      schemaVersion: 2,
      mediaType: DOCKER_LIST,
      manifests: [
        {
          ...describe(DOCKER_MANIFEST, "arm"),
          platform: { architecture: "arm", os: "linux", variant: "v7" },
        },
        {
          ...describe(DOCKER_MANIFEST, "windows"),
          platform: {
            architecture: "amd64",
            os: "windows",
            "os.version": "10.0.14393.1066",
            "os.features": ["win32k"],
            features: ["sse4"],
          },
        },
        { ...describe(DOCKER_MANIFEST, "artifact"), platform: { architecture: "", os: "" } },
      ],
    },
    points: [0, 0, 3],
  },
  "a build by BuildKit with attestations": {
    contentType: OCI_INDEX,
    document: {
      schemaVersion: 2,
      mediaType: OCI_INDEX,
      manifests: [
        child("amd64", { architecture: "amd64", os: "linux" }),
        {
          ...child("attestation", { architecture: "unknown", os: "unknown" }),
          annotations: {
            "vnd.docker.reference.digest": sha256("amd64"),
            "vnd.docker.reference.type": "attestation-manifest",
          },
        },
      ],
    },
    points: [0, 0, 2],
  },
  "BuildKit's attestation itself": {
    contentType: OCI_MANIFEST,
    document: {
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: describe(OCI_CONFIG, "config", 241),
      layers: [
        {
          ...describe("application/vnd.in-toto+json", "provenance", 6209),
          annotations: { "in-toto.io/predicate-type": "https://slsa.dev/provenance/v1" },
        },
      ],
    },
    points: [2, 0, 0],
    artifactType: OCI_CONFIG,
  },
  "BuildKit's cache, an index of layers": {
    contentType: OCI_INDEX,
    document: {
      schemaVersion: 2,
      mediaType: OCI_INDEX,
      manifests: [
        { ...describe(OCI_LAYER, "layer"), annotations: { "buildkit/createdat": "2026-09-03T00:00:00Z" } },
        describe("application/vnd.buildkit.cacheconfig.v0", "cache config", 1654),
      ],
    },
    points: [2, 0, 0],
  },
  "helm push": {
    contentType: OCI_MANIFEST,
    document: {
      schemaVersion: 2,
      config: describe("application/vnd.cncf.helm.config.v1+json", "chart", 161),
      layers: [
        describe("application/vnd.cncf.helm.chart.content.v1.tar+gzip", "content", 8062),
        describe("application/vnd.cncf.helm.chart.provenance.v1.prov", "provenance", 900),
      ],
      annotations: {
        "org.opencontainers.image.title": "mychart",
        "org.opencontainers.image.version": "1.0.15",
      },
    },
    points: [3, 0, 0],
    artifactType: "application/vnd.cncf.helm.config.v1+json",
  },
  "cosign sign, by tag": {
    contentType: OCI_MANIFEST,
    document: {
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: describe(OCI_CONFIG, "config", 247),
      layers: [
        {
          ...describe("application/vnd.dev.cosign.simplesigning.v1+json", "payload", 252),
          annotations: {
            "dev.cosignproject.cosign/signature": "MEYCIQCPH7NJAIfrB6BZN91dV0o7l/i11muXrvrAh100",
          },
        },
      ],
    },
    points: [2, 0, 0],
    artifactType: OCI_CONFIG,
  },
  "cosign sign, as a referrer": {
    contentType: OCI_MANIFEST,
    document: {
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      artifactType: "application/vnd.dev.sigstore.bundle.v0.3+json",
      config: EMPTY,
      layers: [describe("application/vnd.dev.sigstore.bundle.v0.3+json", "bundle")],
      subject: SUBJECT,
      annotations: { "dev.sigstore.bundle.content": "dsse-envelope" },
    },
    points: [2, 0, 0],
    artifactType: "application/vnd.dev.sigstore.bundle.v0.3+json",
  },
  "oras attach without a file": {
    contentType: OCI_MANIFEST,
    document: {
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      artifactType: "application/vnd.example+type",
      config: { ...EMPTY, data: "e30=" },
      layers: [{ ...EMPTY, data: "e30=" }],
      subject: SUBJECT,
      annotations: { "org.opencontainers.image.created": "2023-01-02T03:04:05Z" },
    },
    points: [1, 0, 0],
    artifactType: "application/vnd.example+type",
  },
  "the referrers tag that oras keeps": {
    contentType: OCI_INDEX,
    document: {
      schemaVersion: 2,
      mediaType: OCI_INDEX,
      manifests: [
        {
          ...describe(OCI_MANIFEST, "sbom"),
          annotations: { "org.example.sbom.format": "json" },
          artifactType: "application/vnd.example.sbom.v1",
        },
      ],
    },
    points: [0, 0, 1],
  },
  "wkg oci push, a WebAssembly component": {
    contentType: OCI_MANIFEST,
    document: {
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: describe("application/vnd.wasm.config.v0+json", "config", 235),
      layers: [describe("application/wasm", "component", 2_006_000)],
      annotations: null,
    },
    points: [2, 0, 0],
    artifactType: "application/vnd.wasm.config.v0+json",
  },
  "podman artifact push": {
    contentType: OCI_MANIFEST,
    document: {
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: { ...EMPTY, data: "e30=" },
      layers: [
        {
          ...describe("text/plain; charset=utf-8", "hello.yaml", 9),
          annotations: { "org.opencontainers.image.title": "hello.yaml" },
        },
      ],
    },
    points: [2, 0, 0],
    artifactType: "application/vnd.oci.empty.v1+json",
  },
  "podman manifest push of an empty list": {
    contentType: DOCKER_LIST,
    document: { schemaVersion: 2, mediaType: DOCKER_LIST, manifests: null },
    points: [0, 0, 0],
  },
  "an image without layers of Docker's": {
    contentType: DOCKER_MANIFEST,
    document: {
      schemaVersion: 2,
      mediaType: DOCKER_MANIFEST,
      config: describe("application/vnd.docker.container.image.v1+json", "config", 314),
      layers: null,
    },
    points: [1, 0, 0],
    artifactType: "application/vnd.docker.container.image.v1+json",
  },
  "the conformance suite's non-distributable layers": {
    contentType: OCI_MANIFEST,
    document: {
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: describe(OCI_CONFIG, "config"),
      layers: [
        {
          ...describe("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", "a", 123_456),
          urls: ["https://store.example.com/blobs/sha256/a"],
        },
        describe("application/vnd.oci.image.layer.nondistributable.v1.tar", "b", 12_345),
        describe(OCI_LAYER, "c"),
      ],
    },
    points: [2, 2, 0],
    artifactType: OCI_CONFIG,
  },
};
