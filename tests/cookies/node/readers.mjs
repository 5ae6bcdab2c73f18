// Reads Cookie fields as Node's packages read them, for the Go test beside it. Its lines are
// those of readers.py.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { IncomingMessage } from 'node:http'
import { createInterface } from 'node:readline'

const [packages, ...names] = process.argv.slice(2)
const require = createRequire(packages + '/')

// field returns the Cookie field as Node's server has it: bytes are Latin-1, and several
// fields are joined.
function field (fields) {
  const message = new IncomingMessage(null)
  for (const each of fields) message._addHeaderLine('Cookie', Buffer.from(each, 'base64').toString('latin1'), message.headers)
  return message.headers.cookie
}

function all (parse) {
  return cookie => {
    const read = {}
    for (const [name, value] of Object.entries(parse(cookie ?? ''))) read[name] = [value]
    return read
  }
}

// byName reads the cookies of the names that the test asks for: the package has no other way.
function byName (cookie) {
  const Cookies = require('cookies')
  const cookies = new Cookies({ headers: { cookie } }, {})
  const read = {}
  for (const name of names) {
    const value = cookies.get(name)
    if (value !== undefined) read[name] = [value]
  }
  return read
}

function version (name) {
  const { version } = JSON.parse(readFileSync(`${packages}/node_modules/${name}/package.json`))
  return version.split('.').slice(0, 2).join('.')
}

const readers = { [`cookies ${version('cookies')}`]: byName }
for (const name of ['cookie0', 'cookie1', 'cookie2']) {
  const module = require(name)
  readers[`cookie ${version(name)}`] = all(module.parse ?? module.parseCookie)
}

function attempt (read, cookie) {
  try {
    return read(cookie)
  } catch {
    return null
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const requests = JSON.parse(line).map(field)
  const answer = {}
  for (const [name, read] of Object.entries(readers)) answer[name] = requests.map(cookie => attempt(read, cookie))
  process.stdout.write(JSON.stringify(answer) + '\n')
}
