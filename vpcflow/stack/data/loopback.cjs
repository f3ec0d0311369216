// node --require: a server that names no host, or every address, listens on loopback only
// (kinesis-local has no option for the address that it binds).
const net = require('net')

const LOOPBACK = '127.0.0.1'
const EVERYWHERE = [undefined, null, '', '0.0.0.0', '::']
const listen = net.Server.prototype.listen

net.Server.prototype.listen = function (first, ...rest) {
  if (typeof first === 'object' && first !== null && first.port !== undefined && EVERYWHERE.includes(first.host)) {
    first = { ...first, host: LOOPBACK }
  } else if (/^\d+$/.test(String(first))) {
    if (typeof rest[0] === 'string') rest[0] = EVERYWHERE.includes(rest[0]) ? LOOPBACK : rest[0]
    else rest.unshift(LOOPBACK)
  }
  return listen.call(this, first, ...rest)
}
