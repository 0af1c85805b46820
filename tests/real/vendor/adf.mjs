// Judges documents, a list of them on stdin, by Atlassian's schema: prints for each what is wrong with it, or "".
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import Ajv from "ajv-draft-04";

const schema = createRequire(import.meta.url)("@atlaskit/adf-schema/dist/json-schema/v1/full.json");
const ajv = new Ajv({ strict: false, validateFormats: false });
const agrees = ajv.compile(schema);
const judged = JSON.parse(readFileSync(0, "utf8")).map((it) => (agrees(it) ? "" : ajv.errorsText(agrees.errors)));
console.log(JSON.stringify(judged));
