// Does with a server of WebSocket what a client may do, through whatever is between: node
// client.js http://HOST:PORT, or https. Prints a line for each case; exits 1 when one failed.
'use strict'
const assert = require('node:assert')
const {once} = require('node:events')
const {randomBytes} = require('node:crypto')
const WebSocket = require('ws')

const base = process.argv[2]
const sockets = base.replace(/^http/, 'ws')

async function open(path, protocols, options) {
  const ws = new WebSocket(sockets + path, protocols, {perMessageDeflate: false, maxPayload: 32 << 20, ...options})
  const first = []
  ws.early = first // what comes before a case listens
  ws.on('message', (data, binary) => first.push({data, binary}))
  ws.on('error', () => {})
  await new Promise((resolve, reject) => ws.once('open', resolve).once('error', reject))
  return ws
}

async function message(ws) {
  while (ws.early.length === 0) await once(ws, 'message')
  return ws.early.shift()
}

async function echo(ws, data, options = {}) {
  ws.send(data, options)
  const got = await message(ws)
  assert.deepStrictEqual(Buffer.from(got.data), Buffer.from(data))
  assert.strictEqual(got.binary, typeof data !== 'string')
}

async function end(ws, code, reason) {
  ws.close(code, reason)
  const [got, why] = await once(ws, 'close')
  return `${got} ${why}`
}

// until asks for what the server saw of a connection's end.
async function seen(id) {
  for (let i = 0; i < 500; i++) {
    const text = await (await fetch(`${base}/closed?id=${id}`)).text()
    if (text) return text
    await new Promise(done => setTimeout(done, 10))
  }
  return 'nothing'
}

const cases = {
  async 'text and binary'() {
    const ws = await open('/echo')
    await echo(ws, 'hello')
    await echo(ws, 'Grüße, 世界')
    await echo(ws, '')
    await echo(ws, randomBytes(1000))
    assert.strictEqual(await end(ws, 1000, 'bye'), '1000 bye')
  },
  async '1 MiB and 16 MiB'() {
    const ws = await open('/echo')
    await echo(ws, randomBytes(1 << 20))
    await echo(ws, randomBytes(16 << 20))
    await end(ws)
  },
  async 'fragments'() {
    const ws = await open('/echo')
    for (let i = 0; i < 100; i++) ws.send(`${i},`, {fin: false})
    ws.ping('between fragments')
    ws.send('end', {fin: true})
    const got = await message(ws)
    assert.strictEqual(got.data.toString(), Array.from({length: 100}, (_, i) => `${i},`).join('') + 'end')
    await end(ws)
  },
  async 'ping and pong'() {
    const ws = await open('/echo')
    ws.ping('anybody')
    assert.strictEqual((await once(ws, 'pong'))[0].toString(), 'anybody')
    await end(ws)
    const asked = await open('/ping')
    assert.strictEqual((await message(asked)).data.toString(), 'ponged are you there')
    await end(asked)
  },
  async 'close codes of the client'() {
    for (const [code, reason] of [[1000, ''], [1001, 'going'], [3000, 'mine'], [4999, 'x'.repeat(123)]]) {
      const ws = await open(`/echo?id=c${code}`)
      await end(ws, code, reason)
      assert.strictEqual(await seen(`c${code}`), `${code} ${reason}`)
    }
  },
  async 'close codes of the server'() {
    for (const [code, reason] of [[1000, ''], [1001, 'restart'], [1008, 'policy'], [1011, 'broken'], [1013, 'later'], [4000, 'x'.repeat(123)]]) {
      const ws = await open(`/close?code=${code}&reason=${reason}`)
      const [got, why] = await once(ws, 'close')
      assert.strictEqual(`${got} ${why}`, `${code} ${reason}`)
    }
  },
  async 'permessage-deflate'() {
    const ws = await open('/deflate', [], {perMessageDeflate: {threshold: 0}})
    assert.match(ws.extensions, /permessage-deflate/)
    await echo(ws, 'again and again '.repeat(10000))
    await echo(ws, randomBytes(100000))
    await end(ws)
  },
  async 'the server pushes'() {
    const ws = await open('/push')
    const [code, why] = ws.readyState === WebSocket.CLOSED ? [1000, 'done'] : await once(ws, 'close')
    assert.strictEqual(`${code} ${why}`, '1000 done')
    assert.strictEqual(ws.early.length, 1000)
    ws.early.forEach((m, i) => assert.strictEqual(m.data.toString(), `message ${i}`))
  },
  async 'many at once'() {
    await Promise.all(Array.from({length: 100}, async (_, i) => {
      const ws = await open('/echo')
      for (let n = 0; n < 20; n++) await echo(ws, `${i} ${n}`)
      await end(ws)
    }))
  },
  async 'subprotocols'() {
    const ws = await open('/protocol', ['other', 'chat'])
    assert.strictEqual(ws.protocol, 'chat')
    assert.strictEqual((await message(ws)).data.toString(), 'chat')
    await end(ws)
  },
  async 'refused'() {
    const ws = new WebSocket(sockets + '/refuse')
    ws.on('error', () => {})
    const [, res] = await once(ws, 'unexpected-response')
    assert.strictEqual(res.statusCode, 403)
    assert.strictEqual(Buffer.concat(await res.toArray()).toString(), 'not me')
  },
  async 'the client dies'() {
    const ws = await open('/echo?id=dead')
    await echo(ws, 'here')
    ws.terminate()
    assert.match(await seen('dead'), /^1006/)
  },
  async 'the server dies'() {
    const ws = await open('/die')
    ws.send('now')
    const [code] = await once(ws, 'close')
    assert.strictEqual(code, 1006)
  },
}

async function main() {
  let bad = 0
  for (const [name, run] of Object.entries(cases)) {
    try {
      await Promise.race([run(), new Promise((_, no) => setTimeout(no, 30000, new Error('it takes longer than 30 s')).unref())])
      console.log(`ok ${name}`)
    } catch (err) {
      bad++
      console.log(`FAILED ${name}: ${err.stack}`)
    }
  }
  process.exit(bad ? 1 : 0)
}
main()
