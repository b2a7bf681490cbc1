// A server of WebSocket that does what its path says. Prints its port; ends with its input.
'use strict'
const http = require('node:http')
const {WebSocketServer} = require('ws')

const closed = new Map() // what was seen of the end of a connection, by id

const server = http.createServer((req, res) => {
  const url = new URL(req.url, 'http://x')
  if (url.pathname === '/closed') return res.end(closed.get(url.searchParams.get('id')) || '')
  res.writeHead(404).end()
})
const plain = {noServer: true, maxPayload: 32 << 20, handleProtocols: asked => (asked.has('chat') ? 'chat' : false)}
const wss = new WebSocketServer({...plain, perMessageDeflate: false})
const deflating = new WebSocketServer({...plain, perMessageDeflate: {threshold: 0}})

server.on('upgrade', (req, socket, head) => {
  const url = new URL(req.url, 'http://x')
  if (url.pathname === '/refuse') {
    return socket.end('HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nContent-Length: 6\r\nConnection: close\r\n\r\nnot me')
  }
  const to = url.pathname === '/deflate' ? deflating : wss
  to.handleUpgrade(req, socket, head, ws => serve(ws, url))
})

function serve(ws, url) {
  const q = url.searchParams
  ws.on('error', () => {})
  ws.on('close', (code, reason) => closed.set(q.get('id'), `${code} ${reason}`))
  switch (url.pathname) {
    case '/push':
      for (let i = 0; i < 1000; i++) ws.send(`message ${i}`)
      return ws.close(1000, 'done')
    case '/close':
      return ws.close(Number(q.get('code')), q.get('reason'))
    case '/die':
      return ws.once('message', () => ws.terminate())
    case '/ping':
      ws.on('pong', data => ws.send(`ponged ${data}`))
      return ws.ping('are you there')
    case '/protocol':
      return ws.send(ws.protocol)
    default:
      ws.on('message', (data, binary) => ws.send(data, {binary, fin: true}))
  }
}

server.listen(0, '127.0.0.1', () => console.log(server.address().port))
process.stdin.on('end', () => process.exit(0)).resume()
