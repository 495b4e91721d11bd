// How Node.js does the same jobs: mysql2 streams rows, csv-stringify, JSON.stringify or exceljs' streaming writer write them.
// node node_peers.cjs csv|json|excel '{"address": {...}, "sql": "...", "target": "..."}'; the last line that it prints is the measurement.
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

async function main() {
  const started = process.hrtime.bigint();
  const connection = connect();
  let count = 0;
  const rows = connection.query(given.sql).stream({ highWaterMark: 1000 });
  rows.on("data", () => count++).pause();
  await jobs[job](rows);
  connection.end();
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  const peak = Number(/VmHWM:\s+(\d+)/.exec(fs.readFileSync("/proc/self/status", "utf8"))[1]) / 1024;
  console.log(JSON.stringify({ seconds, peak_rss_mb: peak, rows: count }));
}

main().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
