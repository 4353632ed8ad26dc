// The rules in words, what each did, and what an edited policy would do.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  CONSOLE, CONSOLE_READ_ONLY, closeBrowser, conflict, eventually, fits, liveLeaves, noComplaints, openBrowser, report, signedIn,
} from './lib.js';

before(openBrowser);
after(closeBrowser);

const disputed = (id) =>
  conflict(id, report({ lmp: '2020-01-01' }), report({ lmp: '2020-01-08', village: 'Kisumu' }), report({ lmp: '2020-01-15' }, { read: ['binta'] }));

const rule = (page, name) => page.getByRole('row').filter({ has: page.getByRole('rowheader', { name }) });

test('each rule is told in words, with what it did and what waits, and an edit is tried', async () => {
  await conflict('merged-1', report({}), report({ visits: 2 }), report({ visits: 4 }));
  await eventually(async () => assert.equal((await liveLeaves('merged-1')).length, 1));
  for (const id of ['open-1', 'open-<i>2</i>']) await disputed(id);

  const page = await signedIn('admin');
  await page.getByRole('link', { name: /^2 wait/ }).waitFor();
  await page.getByRole('link', { name: 'Policies' }).click();
  await rule(page, 'medic/reports').getByText('fields.visits by sum').waitFor();
  await rule(page, 'medic/reports').getByRole('link', { name: '2 documents' }).waitFor();
  await rule(page, 'medic/reports').getByText('both sides changed a field').waitFor();
  await page.getByRole('link', { name: 'Count the last 30 days, too' }).click();
  await page.getByText('The count of 30 days begins').waitFor();
  await fits(page, 'policies');

  const text = page.getByRole('textbox', { name: 'Policy' });
  const loaded = await text.inputValue();
  await text.fill(loaded.replace('fields.visits: sum', 'fields.visits: summ'));
  await page.getByRole('button', { name: 'Try it' }).click();
  await page.getByRole('alert').getByText('It was not tried: 1 mistake.').waitFor();
  await page.getByText('couchmend.yaml:11:').waitFor();
  await fits(page, 'policies-mistake');

  await text.fill(loaded.replace('fields.visits: sum', 'fields.visits: sum\n          fields.lmp: winner'));
  await page.getByRole('button', { name: 'Try it' }).click();
  await page.getByText('Tried on 2 conflicts: 2 would end otherwise.').waitFor();
  const shift = page.getByRole('row').filter({ hasText: 'review: both sides changed a field' });
  await shift.getByText('merge', { exact: true }).waitFor();
  await page.locator('#trial li', { hasText: 'open-<i>2</i>' }).getByText('The merge').click();
  await page.locator('#trial li', { hasText: 'open-<i>2</i>' }).getByText(/"lmp": "2020-01-(08|15)"/).waitFor();
  await fits(page, 'policies-tried');
  assert.equal((await liveLeaves('open-1')).length, 2, 'trying writes nothing');
  noComplaints(page);
});

test('who is no server admin reads the rules of their databases, and tries nothing', async () => {
  const amina = await signedIn('amina');
  await amina.goto(`${CONSOLE}/policies`);
  await rule(amina, 'medic/reports').waitFor();
  assert.equal(await amina.getByRole('button', { name: 'Try it' }).count(), 0);
  const stranger = await signedIn('stranger');
  await stranger.goto(`${CONSOLE}/policies`);
  await stranger.getByRole('heading', { name: 'Policies', level: 1 }).waitFor();
  assert.equal(await rule(stranger, 'medic/reports').count(), 0);
  const looking = await signedIn('admin', { console: CONSOLE_READ_ONLY });
  await looking.goto(`${CONSOLE_READ_ONLY}/policies`);
  await rule(looking, 'medic/reports').waitFor();
  assert.equal(await looking.getByRole('button', { name: 'Try it' }).count(), 0);
  noComplaints(amina, stranger, looking);
});
