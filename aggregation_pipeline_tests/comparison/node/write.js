// Writes what the Node.js service writes, with the packages that it uses. The only argument is JSON: how the server is
// reached, the folder, the stamp, and a query for each table.
const fs = require('fs');
const path = require('path');
const mysql = require('mysql2/promise');
const XLSX = require('xlsx');
const { createObjectCsvWriter } = require('csv-writer');
const { parse } = require('json2csv');

async function write({ connection, folder, stamp, queries }) {
  const session = await mysql.createConnection(connection);
  const tables = {};
  for (const [name, sql] of Object.entries(queries)) {
    const [data] = await session.query(sql);
    const lastUpdated = new Date().toISOString();
    const metadata = { schema: [], totalRecords: data.length, lastUpdated };
    tables[name] = { success: true, recordCount: data.length, data, metadata };
  }
  await session.end();
  const workbook = XLSX.utils.book_new();
  const counts = Object.entries(tables).map(([name, table]) => ({ 表名: name, 记录数: table.recordCount }));
  XLSX.utils.book_append_sheet(workbook, XLSX.utils.json_to_sheet(counts), '汇总信息');
  for (const [name, { data }] of Object.entries(tables)) {
    XLSX.utils.book_append_sheet(workbook, XLSX.utils.json_to_sheet(data), name.slice(0, 31));
    const header = Object.keys(data[0] || {}).map((id) => ({ id, title: id }));
    const csv = path.join(folder, 'csv-writer', `${name}_${stamp}.csv`);
    await createObjectCsvWriter({ path: csv, header }).writeRecords(data);
    fs.writeFileSync(path.join(folder, 'json2csv', `${name}_${stamp}.csv`), data.length ? parse(data) : '');
  }
  const totalRecords = Object.values(tables).reduce((sum, table) => sum + table.recordCount, 0);
  const summary = { totalTables: counts.length, totalRecords, successCount: counts.length, errorCount: 0 };
  const all = { timestamp: new Date().toISOString(), tables, summary, outputFiles: [] };
  fs.writeFileSync(path.join(folder, 'json', `aggregated_${stamp}.json`), JSON.stringify(all, null, 2));
  XLSX.writeFile(workbook, path.join(folder, 'excel', `aggregated_${stamp}.excel`), { bookType: 'xlsx' });
}

write(JSON.parse(process.argv[2])).catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
