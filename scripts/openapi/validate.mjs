// Says what is wrong with an OpenAPI document: node scripts/openapi/validate.mjs docs/openapi.json
import { Validator } from "@seriousme/openapi-schema-validator";

const path = process.argv[2];
const validator = new Validator();
const result = await validator.validate(path);
if (!result.valid) {
  console.error(`${path} is no OpenAPI document:`, JSON.stringify(result.errors, null, 2));
  process.exit(1);
}
// A validator that knows another version only would find nothing wrong.
if (!validator.version.startsWith("3.1")) {
  console.error(`${path} was read as version ${validator.version}`);
  process.exit(1);
}
