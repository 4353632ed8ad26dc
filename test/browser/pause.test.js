// Mending is stopped for a while, and everybody sees why and until when.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  CONSOLE, CONSOLE_READ_ONLY, DB, closeBrowser, conflict, eventually, fits, liveLeaves, noComplaints, openBrowser, report, signedIn,
} from './lib.js';

before(openBrowser);
after(closeBrowser);

const banner = (page) => page.locator('#pauses [role=status]');

// merging is a conflict that couchmend merges by itself.
const merging = (id) => conflict(id, report({}), report({ visits: 2 }), report({ visits: 4 }));

test('a pause with reason and end is everybody\'s to see, until it is resumed', async () => {
  const [admin, amina] = [await signedIn('admin'), await signedIn('amina')];
  await admin.getByRole('link', { name: 'Pause', exact: true }).click();
  await admin.getByLabel('Reason').fill('upgrade of <b>CouchDB</b>');
  await admin.getByRole('combobox', { name: 'Ends' }).selectOption('in 4 hours');
  await admin.getByRole('button', { name: 'Pause' }).click();
  await admin.getByText('Paused: all databases.').waitFor();
  await fits(admin, 'pause');
  await banner(amina).getByText('upgrade of <b>CouchDB</b>').waitFor(); // nobody reloads
  await banner(amina).getByText(/by admin, until/).waitFor();

  await merging('report-1');
  await amina.goto(`${CONSOLE}/cases`);
  await amina.getByRole('link', { name: 'report-1' }).waitFor();
  assert.equal((await liveLeaves('report-1')).length, 2, 'a pause is a pause');

  await amina.goto(`${CONSOLE}/pause`);
  await amina.getByRole('cell', { name: 'upgrade of <b>CouchDB</b>' }).waitFor();
  assert.equal(await amina.getByRole('button', { name: /^Resume/ }).count(), 0);

  await admin.getByRole('button', { name: 'Resume all databases' }).click();
  await admin.getByText('Resumed: all databases.').waitFor();
  await banner(amina).waitFor({ state: 'detached' });
  await eventually(async () => assert.equal((await liveLeaves('report-1')).length, 1));
  noComplaints(admin, amina);
});

test('a database is paused until a time; without a reason nothing is', async () => {
  const admin = await signedIn('admin');
  await admin.goto(`${CONSOLE}/pause`);
  await admin.getByRole('combobox', { name: 'Database' }).fill(DB);
  await admin.getByRole('combobox', { name: 'Ends' }).selectOption('at a time');
  await admin.getByLabel('Time, if it ends at one (UTC)').fill('2020-01-01T12:00');
  await admin.getByLabel('Reason').fill('audit');
  await admin.getByRole('button', { name: 'Pause' }).click();
  await admin.getByRole('alert').getByText('its end is past').waitFor();
  assert.equal(await admin.getByLabel('Reason').inputValue(), 'audit');
  await admin.getByLabel('Time, if it ends at one (UTC)').fill('2199-01-01T12:00');
  await admin.getByRole('button', { name: 'Pause' }).click();
  await admin.getByText(`Paused: ${DB}.`).waitFor();
  await banner(admin).getByText('2199-01-01 12:00:00 UTC').waitFor();

  const stranger = await signedIn('stranger');
  await stranger.goto(`${CONSOLE}/pause`);
  await stranger.getByText('Nothing is paused.').waitFor();
  assert.equal(await banner(stranger).count(), 0);

  const looking = await signedIn('amina', { console: CONSOLE_READ_ONLY });
  await looking.goto(`${CONSOLE_READ_ONLY}/pause`);
  await looking.getByRole('cell', { name: 'audit' }).waitFor();
  assert.equal(await looking.getByRole('button', { name: 'Pause' }).count(), 0);

  await admin.getByRole('button', { name: `Resume ${DB}` }).click();
  await admin.getByText(`Resumed: ${DB}.`).waitFor();
  noComplaints(admin, stranger, looking);
});
