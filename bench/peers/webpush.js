// Sends messages with web-push, for the push benchmark to compare with. It is
// used as its own page shows, over connections that are kept open.
//
//   node webpush.js JOB-FILE MESSAGES
'use strict';

const fs = require('node:fs');
const https = require('node:https');
const webpush = require('web-push');

async function main(file, count) {
  const job = JSON.parse(fs.readFileSync(file, 'utf8'));
  const agent = new https.Agent({ keepAlive: true, maxSockets: job.parallel });
  const options = {
    agent,
    TTL: job.ttl,
    urgency: 'high',
    topic: job.topic,
    vapidDetails: { subject: 'mailto:' + job.subject, publicKey: job.public, privateKey: job.private },
  };
  const send = (i) => webpush.sendNotification(job.subscriptions[i % job.subscriptions.length], job.payload, options);

  const run = async (messages) => {
    let next = 0;
    const one = async () => {
      for (let i = next++; i < messages; i = next++) {
        await send(i);
      }
    };
    await Promise.all(Array.from({ length: job.parallel }, one));
  };

  await run(500); // the connections stand, and the code is compiled
  const cpu = process.cpuUsage();
  const begin = process.hrtime.bigint();
  await run(count);
  const used = process.cpuUsage(cpu);
  console.log(JSON.stringify({
    messages: count,
    cpu: (used.user + used.system) * 1000,
    wall: Number(process.hrtime.bigint() - begin),
  }));
  agent.destroy();
}

main(process.argv[2], Number(process.argv[3])).catch((err) => {
  console.error('webpush.js:', err.message);
  process.exit(1);
});
