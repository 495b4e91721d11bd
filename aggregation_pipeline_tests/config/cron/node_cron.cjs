// Prints when node-cron 3 and 4 would run, as JSON: node node_cron.cjs FOLDER_OF_VERSION_3 FOLDER_OF_VERSION_4 < crons.json
// The folders are those of the unpacked packages. Ten ticks after START, or those of 600 days; null for what is refused.
const { readFileSync } = require("node:fs");
const path = require("node:path");

const START = Date.UTC(2026, 10, 20, 10, 7);
const [MINUTE, DAY] = [60_000, 86_400_000];
const [three, four] = process.argv.slice(2).map((folder) => path.resolve(folder));
const TimeMatcher = require(path.join(three, "src/time-matcher"));
const { createTask, setLogger } = require(four);

process.env.TZ = "UTC";
// The fourth version counts from now.
const Clock = Date;
global.Date = class extends Clock {
  constructor(...given) {
    super(...(given.length ? given : [START]));
  }
};

const ticks = {
  3(cron) {
    const matcher = new TimeMatcher(cron);
    const [second, , , days, months, weekdays] = matcher.expressions.map((field) => field.split(","));
    const found = [];
    for (let at = START + MINUTE; found.length < 10 && at < START + 600 * DAY; at += MINUTE) {
      const date = new Date(at);
      const runs = [days, months, weekdays].every((field, index) =>
        field.includes(String([date.getUTCDate(), date.getUTCMonth() + 1, date.getUTCDay()][index])),
      );
      if (!runs) at += DAY - (at % DAY) - MINUTE;
      else if (matcher.match(new Date(at + 1000 * second[0]))) found.push(date);
    }
    return found;
  },
  4: (cron) => createTask(cron, () => {}).getNextRuns(10).filter((date) => date < START + 600 * DAY),
};

function asked(version, cron) {
  try {
    return ticks[version](cron).map((date) => date.toISOString().slice(0, 16));
  } catch {
    return null;
  }
}

const crons = JSON.parse(readFileSync(0, "utf8"));
const versions = [three, four].map((folder) => require(path.join(folder, "package.json")).version);
const lines = crons.map((cron) => `    ${JSON.stringify({ cron, 3: asked(3, cron), 4: asked(4, cron) })}`);
const head = [versions, new Date(START).toISOString()].map((value) => JSON.stringify(value));
console.log(`{\n  "versions": ${head[0]},\n  "start": ${head[1]},\n  "cases": [\n${lines.join(",\n")}\n  ]\n}`);
