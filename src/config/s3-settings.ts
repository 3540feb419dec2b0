import { blobsPlace } from "./blobs-place.ts";
import { FILES } from "./index-place.ts";
import { boolean, text } from "./kinds.ts";
import { setting } from "./setting.ts";

const group = "Storage";
const URL_OR_NONE = text(
  "a URL such as https://s3.example.com, without a path",
  /^(?:https?:\/\/[^\s/@]+\/?)?$/,
);
const REGION = text("a region such as eu-central-1", /^[A-Za-z0-9-]+$/);

/** Where blobs are, and how to get there when it is a bucket. */
export const S3_SETTINGS = {
  blobs: setting(blobsPlace, {
    default: FILES,
    help: "Where layers and manifests are kept: files in the data directory, or a bucket of S3 (docs/s3.md).",
    group,
    placeholder: "url",
  }),
  s3Endpoint: setting(URL_OR_NONE, {
    default: "",
    help: "Where that S3 answers, if it is not Amazon's.",
    group,
    placeholder: "url",
  }),
  s3PublicEndpoint: setting(URL_OR_NONE, {
    default: "",
    help: "Where clients reach it, for s3Redirect; as s3Endpoint if it is not given.",
    group,
    placeholder: "url",
  }),
  s3Region: setting(REGION, {
    default: "us-east-1",
    help: "Region that the bucket is in.",
    group,
    placeholder: "name",
  }),
  s3PathStyle: setting(boolean, {
    default: false,
    help: "The bucket stands in the path of URLs rather than in their host name, as most S3 servers want it.",
    group,
    placeholder: "",
  }),
  s3Redirect: setting(boolean, {
    default: false,
    help: "Send clients of /v2 that read a blob to S3 itself, with a URL that is signed for some minutes.",
    group,
    placeholder: "",
  }),
};
