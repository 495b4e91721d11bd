// How Node.js does the same jobs: mysql2 streams rows, csv-stringify, JSON.stringify or exceljs' streaming writer write them.
// node node_peers.cjs csv|json|excel '{"address": {...}, "sql": "...", "few": "...", "target": "..."}'; the last line that it
// prints is the measurement. The job is done on `few` first, so that the code is compiled when the clock starts.
const fs = require("node:fs");
const { pipeline } = require("node:stream/promises");
const { Transform } = require("node:stream");
const mysql = require("mysql2");

const [job, given] = [process.argv[2], JSON.parse(process.argv[3])];

// DECIMAL comes as text, which is exact; so do dates and integers beyond 2^53.
const connect = () =>
  mysql.createConnection({ ...given.address, charset: "utf8mb4", dateStrings: true, supportBigNumbers: true, rowsAsArray: job !== "json" });

const jobs = {
  async csv(rows) {
    const { stringify } = require("csv-stringify");
    await pipeline(rows, stringify({ bom: true }), fs.createWriteStream(given.target));
  },
  async json(rows) {
    let separator = "[\n";
    const text = new Transform({
      writableObjectMode: true,
      transform(row, _encoding, done) {
        done(null, separator + JSON.stringify(row));
        separator = ",\n";
      },
      flush(done) {
        done(null, "\n]\n");
      },
    });
    await pipeline(rows, text, fs.createWriteStream(given.target));
  },
  async excel(rows) {
    const { stream } = require("exceljs");
    const book = new stream.xlsx.WorkbookWriter({ filename: given.target, useStyles: true, useSharedStrings: false });
    const sheet = book.addWorksheet("detail");
    for await (const row of rows) sheet.addRow(row).commit();
    sheet.commit();
    await book.commit();
  },
};

async function once(sql) {
  const connection = connect();
  let count = 0;
  const rows = connection.query(sql).stream({ highWaterMark: 1000 });
  rows.on("data", () => count++).pause();
  await jobs[job](rows);
  connection.end();
  return count;
}

// Of MariaDB, which has threads and no children. A tick is a hundredth of a second on Linux.
const serverSeconds = () =>
  (process.env.BENCH_SERVERS || "")
    .split(",")
    .filter(Boolean)
    .map((pid) => fs.readFileSync(`/proc/${pid}/stat`, "utf8").split(")").pop().trim().split(" "))
    .reduce((sum, fields) => sum + (Number(fields[11]) + Number(fields[12])) / 100, 0);

async function main() {
  await once(given.few);
  const [server, processor, started] = [serverSeconds(), process.cpuUsage(), process.hrtime.bigint()];
  const rows = await once(given.sql);
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  const { user, system } = process.cpuUsage(processor);
  const peak = Number(/VmHWM:\s+(\d+)/.exec(fs.readFileSync("/proc/self/status", "utf8"))[1]) / 1024;
  const figures = { rows };
  console.log(JSON.stringify({ seconds, client: (user + system) / 1e6, server: serverSeconds() - server, peak_rss_mb: peak, figures }));
}

main().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
