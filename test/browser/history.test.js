// What was decided, by whom or by which rule, and how it is taken back.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  CONSOLE, CONSOLE_READ_ONLY, DB, closeBrowser, conflict, eventually, fits, liveLeaves, noComplaints, openBrowser,
  report, save, signedIn, visitor,
} from './lib.js';

before(openBrowser);
after(closeBrowser);

// merged has couchmend merge what two phones did to a report, and waits for it.
async function merged(id) {
  const revs = await conflict(id, report({}), report({ visits: 2, village: 'Kisumu' }), report({ visits: 4 }, { read: ['binta'] }));
  await eventually(async () => assert.equal((await liveLeaves(id)).length, 1));
  return revs;
}

const listed = (page, id) => page.locator('#history tbody tr', { hasText: id });

// opened goes from the list to what was done to a document.
async function opened(page, id, what = 'merged') {
  await page.goto(`${CONSOLE}/history?${new URLSearchParams({ db: DB, id })}`);
  await page.locator('#history tbody tr', { hasText: what }).first().getByRole('link', { name: /UTC$/ }).click();
  await page.getByRole('heading', { level: 1, name: `${id}: ${what}` }).waitFor();
}

test('a merge appears live, opens into what it was made from, and is undone', async () => {
  const id = 'report-<script>alert(1)</script>';
  const page = await signedIn('amina');
  await page.getByRole('link', { name: 'History' }).click();
  await page.getByRole('heading', { name: 'History', level: 1 }).waitFor();
  await merged('report-0');
  await merged(id);
  await listed(page, id).filter({ hasText: 'merged' }).getByText('rule medic/reports').waitFor(); // nobody reloads
  await fits(page, 'history');

  await opened(page, id);
  const visits = page.getByRole('row', { name: /^fields\.visits/ });
  await visits.getByText('sum').waitFor();
  await visits.getByText('5').waitFor();
  await fits(page, 'history-entry');

  await page.getByRole('link', { name: 'Undo …' }).click();
  await page.getByRole('heading', { name: 'What an undo would write' }).waitFor();
  assert.equal((await liveLeaves(id)).length, 1, 'looking writes nothing');
  await fits(page, 'history-undo');
  await page.getByRole('button', { name: 'Take it back' }).click();
  await page.getByText('Taken back.').waitFor();
  await page.locator('#history tbody tr', { hasText: 'undone' }).getByText('amina').waitFor();
  assert.equal((await liveLeaves(id)).length, 2);
  noComplaints(page);
});

test('of two people who undo, the later is told that the document has changed', async () => {
  const id = 'report-2';
  await merged(id);
  const [amina, binta] = [await signedIn('amina'), await signedIn('binta')];
  for (const page of [amina, binta]) {
    await opened(page, id);
    await page.getByRole('link', { name: 'Undo …' }).click();
  }
  await amina.getByRole('button', { name: 'Take it back' }).click();
  await amina.getByText('Taken back.').waitFor();
  const before = (await liveLeaves(id)).map((leaf) => leaf._rev);
  await binta.getByRole('button', { name: 'Take it back' }).click();
  await binta.getByRole('alert').getByText('Nothing was written.').waitFor();
  assert.deepEqual((await liveLeaves(id)).map((leaf) => leaf._rev), before);
  noComplaints(amina, binta);
});

test('a save between the preview and the word stops an undo', async () => {
  const id = 'report-3';
  await merged(id);
  const page = await signedIn('amina');
  await opened(page, id);
  await page.getByRole('link', { name: 'Undo …' }).click();
  const [winner] = await liveLeaves(id);
  const path = winner._revisions.ids.map((hash, i) => `${winner._revisions.start - i}-${hash}`);
  await save(id, report({ visits: 9 }), path);
  await page.getByRole('button', { name: 'Take it back' }).click();
  await page.getByRole('alert').getByText('Nothing was written.').waitFor();
  await page.getByRole('button', { name: 'Take it back' }).click(); // of what it is now
  await page.getByText('Taken back.').waitFor();
  noComplaints(page);
});

test('it is filtered by keyboard, for those who see the database', async () => {
  const page = await signedIn('amina');
  await merged('report-4');
  await page.goto(`${CONSOLE}/history`);
  await page.keyboard.press('/');
  await page.keyboard.type('report-4');
  await page.getByLabel('Database').fill(DB);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'History of report-4' }).waitFor();
  assert.equal(await page.locator('#history tbody tr', { hasText: 'merged' }).count(), 1);
  await page.goto(`${CONSOLE}/history`);
  await page.getByRole('combobox', { name: 'What' }).selectOption('by people');
  await page.waitForURL(/what=manual/);
  assert.equal(await listed(page, 'report-4').count(), 0);

  const stranger = await signedIn('stranger');
  await stranger.goto(`${CONSOLE}/history`);
  await stranger.getByText('The journal holds nothing like that.').waitFor();
  const nobody = await visitor();
  await nobody.goto(`${CONSOLE}/history`);
  await nobody.getByRole('button', { name: 'Sign in' }).waitFor();
  noComplaints(page, stranger, nobody);
});

test('a read-only console shows it, and undoes nothing', async () => {
  await merged('report-5');
  const page = await signedIn('amina', { console: CONSOLE_READ_ONLY });
  await page.goto(`${CONSOLE_READ_ONLY}/history?${new URLSearchParams({ db: DB, id: 'report-5' })}`);
  await page.locator('#history tbody tr', { hasText: 'merged' }).getByRole('link', { name: /UTC$/ }).click();
  await page.getByRole('heading', { name: 'What was done' }).waitFor();
  assert.equal(await page.getByRole('link', { name: 'Undo …' }).count(), 0);
  noComplaints(page);
});
