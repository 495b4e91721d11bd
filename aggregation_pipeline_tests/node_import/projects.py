"""Node projects of several kinds, as mappings from paths to texts."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

PACKAGE: Final = '{"name": "service", "main": "server.js", "dependencies": {"node-cron": "^3.0.3"}}'
RULES_OF_USERS: Final = {
    "groupBy": ["status", "DATE(created_at)"],
    "selectFields": ["id", "username", "email", "status"],
    "aggregations": [
        {"function": "COUNT", "field": "id", "alias": "user_count"},
        {"function": "AVG", "field": "age", "alias": "avg_age"},
    ],
    "where": "created_at >= DATE_SUB(NOW(), INTERVAL 7 DAY)",
    "limit": 1000,
}
# As code.
USERS: Final = json.dumps(RULES_OF_USERS)
RULES: Final = f"{{\n  users: {USERS}\n}}"

# The shape of the old service: a server, services as classes, rules as literals in a method, and a configuration that
# nothing loads.
OLD_SERVICE: Final = {
    "package.json": """{"name": "data-aggregation-service", "main": "server.js",
        "scripts": {"start": "node server.js", "dev": "nodemon server.js"},
        "dependencies": {"node-cron": "^3.0.3", "mysql2": "^3.6.0", "express": "^4.18.2", "ali-oss": "^6.18.0"}}""",
    "server.js": """#!/usr/bin/env node
require('dotenv').config();
const express = require('express');
const Scheduler = require('./services/SchedulerService');
const app = express();
const scheduler = new Scheduler();
app.get('/health', (request, response) => response.json({ status: 'healthy', uptime: process.uptime() }));
app.listen(process.env.PORT || 3000, () => scheduler.start());
""",
    "services/SchedulerService.js": """const cron = require('node-cron');
const Database = require('./DatabaseService');
const Aggregator = require('./DataAggregator');

class SchedulerService {
  constructor() {
    this.database = new Database();
  }

  start() {
    const schedule = process.env.CRON_SCHEDULE || '0 0 2 * * *';
    this.task = cron.schedule(schedule, () => this.run(), { timezone: process.env.TZ || 'Asia/Shanghai' });
  }

  settings() {
    const tables = process.env.AGGREGATION_TABLES
      ? process.env.AGGREGATION_TABLES.split(',')
      : ['users', 'orders', 'products'];
    return {
      tables,
      format: process.env.OUTPUT_FORMAT || 'json',
      tableConfigs: {
        // New users.
        users: {
          groupBy: ['status', 'DATE(created_at)'],
          selectFields: ['id', 'username', 'email', 'status'],
          aggregations: [
            { function: 'COUNT', field: 'id', alias: 'user_count' },
            { function: 'AVG', field: 'age', alias: 'avg_age' },
          ],
          where: 'created_at >= DATE_SUB(NOW(), INTERVAL 7 DAY)',
          limit: 1000,
        },
        orders: {
          groupBy: ['status'],
          aggregations: [
            { function: 'COUNT', field: 'DISTINCT user_id', alias: 'buyers' },
            { function: 'SUM', field: 'price * quantity', alias: 'revenue' },
          ],
          having: 'SUM(price * quantity) > 0',
          orderBy: 'revenue DESC',
        },
      },
    };
  }
}

module.exports = SchedulerService;
""",
    "services/DataAggregator.js": """const defaultConfig = { groupBy: [], aggregations: [], selectFields: [] };
class DataAggregator {
  query(table, { groupBy = [], aggregations = [], selectFields, where, limit = 1000 } = {}) {
    return `SELECT ${[...selectFields, ...aggregations].join()} FROM ${table} GROUP BY ${groupBy} LIMIT ${limit}`;
  }

  run(table, config) {
    const { groupBy, aggregations, selectFields } = { ...defaultConfig, ...config };
    return this.query(table, { groupBy, aggregations, selectFields, where: config.where, limit: config.limit });
  }
}
module.exports = DataAggregator;
""",
    "services/DatabaseService.js": """const mysql = require('mysql2/promise');
const options = require('../config/database');
module.exports = class { constructor() { this.pool = mysql.createPool(options); } };
""",
    "config/database.js": """module.exports = {
  host: process.env.DB_HOST || 'localhost',
  port: Number(process.env.DB_PORT || 3306),
  user: process.env.DB_USER,
};
""",
    "config/aggregation.js": "module.exports = { tableConfigs: { users: { groupBy: ['city'] }, ghosts: {limit: 5} } }",
    "tests/rules.test.js": "const rules = { users: { groupBy: ['never'] } };\n",
}


def written(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write a project into the folder; package.json is there unless `files` has one."""
    for name, content in {"package.json": PACKAGE, **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder
