// Counts the orders and the revenue again, without Millrace, and compares with the Parquet files.
import { DuckDBInstance } from '@duckdb/node-api'
import { build } from 'esbuild'
import { fileURLToPath } from 'node:url'

const MINUTE_MS = 60_000

export async function verify(folder, records) {
  const { order } = await importSource('./orders.ts')
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' })
  const connection = await instance.connect()
  const query = async (sql) => (await connection.runAndReadAll(sql)).getRows()

  const orders = `read_parquet('${folder}/orders/**/*.parquet')`
  const [[rows, ids, wrong]] = await query(
    `SELECT count(*), count(DISTINCT id), count(*) FILTER (WHERE id < 0 OR id >= ${records}) FROM ${orders}`,
  )
  const landed = Number(rows)
  const distinct = Number(ids)
  const missing = records - distinct + Number(wrong)
  const duplicates = landed - distinct

  const expected = revenue(order, records)
  const found = await query(
    `SELECT shop, epoch_ms(minute), orders, cents FROM read_parquet('${folder}/revenue/**/*.parquet')`,
  )
  let windowDuplicates = 0
  let windowsWrong = 0
  const seen = new Set()
  for (const [shop, minute, count, cents] of found) {
    const key = `${shop} ${minute}`
    if (seen.has(key)) windowDuplicates += 1
    seen.add(key)
    const right = expected.get(key)
    if (right === undefined || right.orders !== Number(count) || right.cents !== Number(cents))
      windowsWrong += 1
  }
  let windowsMissing = 0
  for (const key of expected.keys()) if (!seen.has(key)) windowsMissing += 1
  connection.closeSync()
  instance.closeSync()

  const ok = missing + duplicates + windowDuplicates + windowsMissing + windowsWrong === 0
  const line = (name, recordsIn, rowsOut, twice, gone) =>
    console.log(`${name.padEnd(9)} ${n(recordsIn)} ${n(rowsOut)} ${n(twice)} ${n(gone)}`)
  console.log(
    `${''.padEnd(9)} ${['expected', 'rows out', 'duplicates', 'missing'].map((word) => word.padStart(12)).join(' ')}`,
  )
  line('orders', records, landed, duplicates, missing)
  line('revenue', expected.size, found.length, windowDuplicates, windowsMissing)
  console.log(
    `\nrecords in ${records}, rows out ${landed}, ${duplicates + windowDuplicates} duplicates, ${missing + windowsMissing} missing, ${windowsWrong} wrong`,
  )
  console.log(ok ? 'Exactly once.' : 'NOT exactly once.')
  return ok
}

/** Revenue of each shop and minute, counted the plain way. */
function revenue(order, records) {
  const totals = new Map()
  for (let index = 0; index < records; index += 1) {
    const { shop, quantity, cents, at } = order(index)
    const key = `${shop} ${at - (at % MINUTE_MS)}`
    const total = totals.get(key)
    if (total === undefined) totals.set(key, { orders: 1, cents: cents * quantity })
    else {
      total.orders += 1
      total.cents += cents * quantity
    }
  }
  return totals
}

function n(value) {
  return value.toLocaleString('en').padStart(12)
}

async function importSource(path) {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL(path, import.meta.url))],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
  })
  return import(
    `data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`
  )
}
