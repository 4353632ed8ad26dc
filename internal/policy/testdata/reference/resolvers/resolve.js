// See docs/resolver-protocol.md.
const lines = require('readline').createInterface({ input: process.stdin })
lines.on('line', line => {
  const { id, revisions } = JSON.parse(line)
  console.log(JSON.stringify({ id, result: revisions[0] }))
})
