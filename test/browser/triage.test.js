// Conflicts pile up. Whoever is on duty asks what causes them, before anyone
// repairs them.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { gunzipSync } from 'node:zlib';
import { after, before, test } from 'node:test';
import { CONSOLE_READ_ONLY, DB, closeBrowser, eventually, fits, noComplaints, openBrowser, report, save, signedIn } from './lib.js';

const { REPLICATION } = process.env; // of a replication that fails, where the server has one

before(async () => {
  await openBrowser();
  await incident();
});
after(closeBrowser);

const DEEP = 'a report of <b>many</b> phones';

// incident has five phones edit one report, and two of them others.
async function incident() {
  const phones = ['phone-1', 'phone-2', 'phone-3', 'phone-4', 'phone-5'];
  const first = await save(DEEP, report({ lmp: '2020-01-01' }));
  for (const phone of phones) await save(DEEP, report({ lmp: '2020-02-0' + phone.at(-1) }, { updated_by: phone }), [first]);
  for (let n = 0; n < 6; n++) {
    const born = await save(`report-${n}`, report({ lmp: '2020-01-01' }));
    for (const phone of ['phone-1', 'phone-2']) await save(`report-${n}`, report({ lmp: '2020-03-0' + phone.at(-1) }, { updated_by: phone }), [born]);
  }
}

async function gathered(page) {
  await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Triage' }).click();
  await page.getByRole('button', { name: 'Gather evidence' }).click();
  await page.getByRole('heading', { name: 'Evidence', exact: true }).waitFor();
}

test('a server admin finds the cause, the next command and a bundle to send', async () => {
  const page = await signedIn('admin');
  // The journal has heard of all of them when they wait for somebody.
  await eventually(async () => {
    await page.goto(new URL(page.url()).origin + '/');
    assert.match(await page.locator('#figures').innerText(), /7\s+wait for a person/);
  });
  await gathered(page);
  const findings = page.getByRole('region', { name: /finding/ });
  await findings.getByRole('listitem').first().waitFor();
  const weights = await findings.locator('h3 .tag').allInnerTexts();
  assert.deepEqual(weights, weights.toSorted((a, b) => b - a), 'the heaviest first');
  assert.match(await findings.locator('pre').first().innerText(), /^(couchmend|curl) /);
  await page.getByRole('region', { name: 'More than three live leaves' }).getByRole('link', { name: DEEP }).waitFor();
  const fields = page.getByRole('region', { name: 'Conflicts by field' });
  await fields.getByRole('row', { name: /fields\.lmp/ }).waitFor();
  await page.getByRole('region', { name: /Conflicts by writer/ }).getByText('phone-1').waitFor();
  if (REPLICATION) await page.getByRole('region', { name: 'Replications' }).getByText(REPLICATION).waitFor();
  await fits(page, 'triage');

  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Download redacted bundle' }).click()]);
  const text = gunzipSync(await readFile(await download.path())).toString();
  assert.match(text, /report\.json/);
  for (const name of ['phone-1', 'many', DB + '"']) assert.ok(!text.includes(name), `the bundle names ${name}`);
  noComplaints(page);
});

test('a command is copied', async () => {
  const page = await signedIn('admin', { permissions: ['clipboard-read', 'clipboard-write'] });
  await page.goto(new URL(page.url()).origin + '/triage'); // the report of a moment ago
  const first = page.getByRole('region', { name: /finding/ }).getByRole('listitem').first();
  await first.getByRole('button', { name: /^Copy the command/ }).click();
  await first.getByText('Copied').waitFor();
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), await first.locator('pre').innerText());
  noComplaints(page);
});

test('a nurse sees the evidence of her database, and no replications', async () => {
  const page = await signedIn('amina');
  await gathered(page);
  await page.getByRole('region', { name: 'Databases' }).getByRole('link', { name: DB }).waitFor();
  await page.getByText('Replications are told to server admins').waitFor();
  assert.equal(await page.getByRole('button', { name: /bundle/ }).count(), 0);
  noComplaints(page);
});

test('who has no rights on a database learns nothing of it', async () => {
  const page = await signedIn('stranger');
  await gathered(page);
  const text = await page.getByRole('main').innerText();
  for (const name of [DB, 'phone-1', 'lmp']) assert.ok(!text.includes(name), `the stranger is told of ${name}`);
  noComplaints(page);
});

test('it is there in a read-only console, and without scripts', async () => {
  const page = await signedIn('binta', { console: CONSOLE_READ_ONLY, javaScriptEnabled: false });
  await gathered(page); // the page reloads itself until then
  await page.getByRole('region', { name: 'Databases' }).getByRole('link', { name: DB }).waitFor();
});
