// Two phones drew one id: for a person and for a data_record. A nurse splits
// them, says what a note means, and takes it back.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  CONSOLE_READ_ONLY, DB, closeBrowser, eventually, fits, liveLeaves, noComplaints, openBrowser, read, save, signedIn,
} from './lib.js';

const ID = '7FADDF76-55E4-4E50-9444-5E468E61EA83';
const REPORT = '1B7922A6-A6D6-C956-BBAE-DE5EB5A2E6C8';
const MEMO = 'memo <script>alert(1)</script>';

before(openBrowser);
after(closeBrowser);

const person = { type: 'person', name: 'Amina', phone: '+254700' };
const record = { type: 'data_record', form: 'pregnancy', fields: { lmp: '2020-01-01' } };

async function collide() {
  await save(ID, person);
  await save(ID, record);
  await save(REPORT, { type: 'person', fields: { inputs: { contact: { _id: ID } }, patient_id: ID } });
  await save(MEMO, { type: 'memo', about: ID });
}

const address = (at) => `${at}/split?db=${DB}&id=${ID}`;

test('a collision is split, and taken back', async () => {
  await collide();
  const page = await signedIn('amina');
  await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Collisions' }).click();
  await page.getByRole('region', { name: 'Waiting for somebody' }).getByRole('link', { name: ID }).click();
  await page.getByText('two things that drew one id').waitFor();
  await page.getByRole('button', { name: 'Look for references' }).click();

  const contact = page.getByRole('group', { name: /^fields\.inputs\.contact\._id/ });
  const patient = page.getByRole('group', { name: /^fields\.patient_id/ });
  const about = page.getByRole('group', { name: /^about/ });
  await contact.waitFor();
  assert.ok(await patient.getByLabel('means person').isChecked(), 'the rule says what patient_id means');
  assert.ok(await contact.getByLabel('means data_record').isChecked(), 'the rule says what contact means');
  assert.ok(await about.getByText('not known what it means').isVisible());
  assert.ok(await page.getByRole('button', { name: 'Split it' }).isDisabled(), 'nothing is guessed');
  assert.equal((await liveLeaves(ID)).length, 2, 'looking writes nothing');
  await fits(page, 'split');

  // By keyboard alone.
  await about.getByLabel('means person').focus();
  await page.keyboard.press('Space');
  await page.getByRole('button', { name: 'Take over these choices' }).focus();
  await page.keyboard.press('Enter');
  await page.getByText('3 references changed, in 2 documents').waitFor();
  await page.getByLabel('Note for the journal').fill('asked on the phone');
  await page.getByRole('button', { name: 'Split it' }).click();
  await page.getByRole('heading', { name: 'It is split' }).waitFor();

  const became = page.getByRole('region', { name: 'What became of it' });
  const personID = (await became.getByRole('listitem').filter({ hasText: 'person:' }).getByRole('link').innerText()).trim();
  const recordID = (await became.getByRole('listitem').filter({ hasText: 'data_record:' }).getByRole('link').innerText()).trim();
  assert.equal((await read(personID)).name, 'Amina');
  assert.equal((await read(recordID)).form, 'pregnancy');
  assert.equal((await read(ID)).error, 'not_found');
  const report = await read(REPORT);
  assert.equal(report.fields.patient_id, personID);
  assert.equal(report.fields.inputs.contact._id, recordID);
  assert.equal((await read(MEMO)).about, personID);
  await fits(page, 'split-done');

  await page.goto(page.url().replace(/\/split.*/, '/splits'));
  await page.getByRole('link', { name: ID }).waitFor();
  await fits(page, 'splits');
  await page.getByRole('link', { name: ID }).click();

  await page.getByRole('button', { name: 'Take it back …' }).click();
  await page.getByRole('region', { name: 'Taking it back' }).getByText('3 references in 2 documents say the old id again').waitFor();
  await fits(page, 'split-back');
  await page.getByRole('button', { name: 'Take it back', exact: true }).click();
  await page.getByRole('heading', { name: 'The split was taken back' }).waitFor();
  assert.equal((await liveLeaves(ID)).length, 2);
  assert.equal((await read(REPORT)).fields.patient_id, ID);
  assert.equal((await read(personID)).error, 'not_found');
  noComplaints(page);
});

test('a plan is not written over a document that somebody saved meanwhile', async () => {
  const id = 'A0000000-55E4-4E50-9444-5E468E61EA83';
  const first = await save(id, person);
  await save(id, record);
  const page = await signedIn('amina');
  await page.goto(address(new URL(page.url()).origin).replace(ID, id));
  await page.getByRole('button', { name: 'Look for references' }).click();
  await page.getByText('2 documents created').waitFor();
  await save(id, { ...person, name: 'Amina B.' }, [first]);
  await page.getByRole('button', { name: 'Split it' }).click();
  await page.getByRole('alert').getByText('new leaves').waitFor();
  assert.equal((await liveLeaves(id)).length, 2);
  noComplaints(page);
});

test('a read-only console shows the plan and cannot write it', async () => {
  const id = 'B0000000-55E4-4E50-9444-5E468E61EA83';
  await save(id, person);
  await save(id, record);
  const page = await signedIn('amina', { console: CONSOLE_READ_ONLY });
  await page.goto(address(CONSOLE_READ_ONLY).replace(ID, id));
  await page.getByRole('button', { name: 'Look for references' }).click();
  await page.getByText('2 documents created').waitFor();
  assert.equal(await page.getByRole('button', { name: 'Split it' }).count(), 0);
  noComplaints(page);
});

test('who has no rights on the database finds no collision there', async () => {
  const page = await signedIn('stranger');
  const at = new URL(page.url()).origin;
  const answer = await page.goto(address(at));
  assert.equal(answer.status(), 404);
  await page.goto(at + '/splits');
  await eventually(async () => assert.ok(!(await page.content()).includes(ID)));
  noComplaints(page);
});

test('all of it works without scripts', async () => {
  const id = 'C0000000-55E4-4E50-9444-5E468E61EA83';
  await save(id, person);
  await save(id, record);
  const page = await signedIn('binta', { javaScriptEnabled: false });
  await page.goto(address(new URL(page.url()).origin).replace(ID, id));
  await page.getByRole('button', { name: 'Look for references' }).click();
  await page.getByRole('button', { name: 'Split it' }).click(); // the page reloads itself until then
  await page.getByRole('heading', { name: 'It is split' }).waitFor();
  assert.equal((await read(id)).error, 'not_found');
});
