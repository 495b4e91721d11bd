// Records what Node's dotenv makes of the texts in recorded.json: node record.cjs FOLDER_OF_THE_UNPACKED_PACKAGE ...
// All versions must agree; those that were asked stand in the file.
const { readFileSync, writeFileSync } = require("node:fs");
const path = require("node:path");

const file = path.join(__dirname, "recorded.json");
const recorded = JSON.parse(readFileSync(file, "utf8"));
const packages = process.argv.slice(2).map((folder) => path.resolve(folder));
const versions = packages.map((folder) => require(path.join(folder, "package.json")).version);
const parsers = packages.map((folder) => require(folder).parse);
const cases = recorded.cases.map(({ text }) => {
  const values = parsers.map((parse) => JSON.stringify(parse(Buffer.from(text, "utf8"))));
  if (new Set(values).size !== 1) throw new Error(`they differ for ${JSON.stringify(text)}: ${values}`);
  return { text, values: JSON.parse(values[0]) };
});
const lines = cases.map((one) => `    ${JSON.stringify(one)}`);
writeFileSync(file, `{\n  "versions": ${JSON.stringify(versions)},\n  "cases": [\n${lines.join(",\n")}\n  ]\n}\n`);
