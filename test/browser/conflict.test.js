// A conflict from its arrival to its end: somebody on duty sees it come, takes a
// field from one side and writes another, and takes it back.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  CONSOLE, CONSOLE_READ_ONLY, DB, closeBrowser, conflict, eventually, fits, liveLeaves, noComplaints, openBrowser,
  people, read, report, save, signedIn, visitor,
} from './lib.js';

before(openBrowser);
after(closeBrowser);

const address = (at, id) => `${at}/document?${new URLSearchParams({ db: DB, id })}`;

// disputed saves a report whose field lmp two phones changed.
const disputed = (id) =>
  conflict(
    id,
    report({ lmp: '2020-01-01', village: 'Kisumu' }),
    report({ lmp: '2020-01-08', village: 'Kisumu' }),
    report({ lmp: '2020-01-15', village: 'Kisumu' }, { read: ['binta'] }),
  );

// draft is what the editor holds.
const draft = async (page) => (await page.locator('.cm-line').allInnerTexts()).join('\n');

const waiting = (page) => page.locator('#figures').getByRole('link', { name: /for a person/ });

test('a conflict arrives live, is decided field by field, and undone', async () => {
  const id = 'report-1';
  const page = await signedIn('amina');
  await page.getByRole('link', { name: /^0 wait/ }).waitFor();
  await disputed(id);
  await page.getByRole('link', { name: /^1 waits? for a person/ }).waitFor(); // nobody reloads
  await waiting(page).click();
  await fits(page, 'cases');
  await page.getByRole('link', { name: id }).click();

  await page.getByRole('heading', { level: 1, name: id }).waitFor();
  await page.getByRole('heading', { name: /both sides changed a field/ }).waitFor();
  await fits(page, 'document');
  const lmp = page.locator('#fields tr', { hasText: 'fields.lmp' });
  await lmp.getByText('2020-01-08').click();

  // The rest is written by hand, and the schema looks on.
  const editor = page.getByRole('textbox', { name: 'The document as it will be' });
  const composed = await eventually(async () => {
    const doc = JSON.parse(await draft(page));
    assert.equal(doc.fields.lmp, '2020-01-08');
    return doc;
  });
  assert.deepEqual(composed.read, ['binta'], 'what only one side changed is taken over');
  const write = async (doc) => {
    await editor.click();
    await page.keyboard.press('ControlOrMeta+a');
    await page.keyboard.insertText(JSON.stringify(doc, null, 2));
  };
  await write({ ...composed, fields: { ...composed.fields, lmp: 'last week' } });
  await page.locator('#problems').getByText('/fields/lmp').waitFor();
  await write({ ...composed, note: 'asked her mother' });
  await page.getByText('Nothing wrong').waitFor();

  await page.getByRole('button', { name: 'Preview what is written' }).click();
  await page.getByRole('heading', { name: 'What will be written' }).waitFor();
  assert.equal((await liveLeaves(id)).length, 2, 'a preview writes nothing');
  await fits(page, 'preview');
  await page.getByLabel('Note for the journal').fill('by telephone');
  await page.getByRole('button', { name: 'Write this' }).click();
  await page.getByRole('heading', { name: 'Not in conflict' }).waitFor();

  const doc = await read(id, '?conflicts=true');
  assert.equal(doc._conflicts, undefined);
  assert.equal(doc.fields.lmp, '2020-01-08');
  assert.equal(doc.note, 'asked her mother');
  assert.deepEqual(doc.read, ['binta']);

  // It waits for nobody any more, and history knows who did it.
  await page.getByRole('link', { name: 'Overview' }).click();
  await page.getByRole('link', { name: /^0 wait/ }).waitFor();
  await fits(page, 'overview');
  await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'History' }).click();
  const line = page.getByRole('row').filter({ hasText: id }).filter({ hasText: 'amina' });
  await line.first().waitFor();
  await page.goto(address(CONSOLE, id));
  await page.getByRole('button', { name: 'Undo…' }).click();
  await page.getByRole('button', { name: 'Take it back' }).click();
  await eventually(async () => assert.equal((await liveLeaves(id)).length, 2));
  assert.equal((await read(id)).note, undefined);
  noComplaints(page);
});

test('of two people who decide on one document, the second is told and nothing is written', async () => {
  const id = 'report-2';
  await disputed(id);
  const amina = await signedIn('amina');
  const binta = await signedIn('binta');
  for (const page of [amina, binta]) {
    await eventually(async () => {
      await page.goto(address(CONSOLE, id));
      await page.locator('#fields').waitFor({ timeout: 1000 });
    });
    const lmp = page === amina ? '2020-01-08' : '2020-01-15';
    await page.locator('#fields tr', { hasText: 'fields.lmp' }).getByText(lmp).click();
    await eventually(async () => assert.ok((await draft(page)).includes(lmp)));
    await page.getByRole('button', { name: 'Preview what is written' }).click();
    await page.getByRole('heading', { name: 'What will be written' }).waitFor();
  }
  await amina.getByRole('button', { name: 'Write this' }).click();
  await amina.getByRole('heading', { name: 'Not in conflict' }).waitFor();
  const written = await read(id);
  await binta.getByRole('button', { name: 'Write this' }).click();
  await binta.getByText('Nothing was written').waitFor();
  assert.equal((await read(id))._rev, written._rev);
  assert.equal(written.fields.lmp, '2020-01-08');
  noComplaints(amina, binta);
});

test('who looks at a document is told that a phone saved it meanwhile', async () => {
  const id = 'report-3';
  const [first] = await disputed(id);
  const page = await signedIn('amina');
  await page.goto(address(CONSOLE, id));
  await page.locator('#fields').getByRole('radio', { checked: false }).first().check(); // something would be lost
  await save(id, report({ lmp: '2020-02-02' }), [first]);
  await page.getByText('The document has changed.').waitFor();
  await page.getByRole('button', { name: 'Look again' }).click();
  await page.locator('#fields').getByText('2020-02-02').waitFor();
  noComplaints(page);
});

test('somebody without rights sees no trace of a database', async () => {
  const id = 'report-4';
  await disputed(id);
  const page = await signedIn('stranger');
  await page.getByRole('link', { name: /^0 wait/ }).waitFor();
  for (const path of ['/', '/cases', '/history', '/splits']) {
    await page.goto(CONSOLE + path);
    assert.ok(!(await page.content()).includes(DB), `${path} names the database`);
  }
  const answer = await page.goto(address(CONSOLE, id));
  assert.equal(answer.status(), 404);
  const api = await page.goto(`${CONSOLE}/api/v1/document?${new URLSearchParams({ db: DB, id })}`);
  assert.equal(api.status(), 404);
  noComplaints(page);
});

test('a read-only console shows everything and offers nothing', async () => {
  const id = 'report-5';
  await disputed(id);
  const page = await signedIn('amina', { console: CONSOLE_READ_ONLY });
  await eventually(async () => {
    await page.goto(address(CONSOLE_READ_ONLY, id));
    await page.locator('#fields').waitFor({ timeout: 1000 });
  });
  await page.getByText('read-only', { exact: true }).waitFor();
  const buttons = await page.getByRole('main').getByRole('button').allInnerTexts();
  assert.deepEqual(buttons.filter((b) => b !== 'Look again'), []);
  assert.equal(await page.getByRole('radio').count(), 0);
  const refused = await page.request.post(`${CONSOLE_READ_ONLY}/document/apply`, { form: { db: DB, id } });
  assert.equal(refused.status(), 403);
  await fits(page, 'read-only');
  noComplaints(page);
});

test('names and values that are HTML stay text', async () => {
  const evil = '<script>document.title="gone"</script>"\'&../../%2e%2e/é';
  await conflict(
    evil,
    report({ lmp: '1', [evil]: '1' }),
    report({ lmp: evil, [evil]: evil }),
    report({ lmp: '3', [evil]: '</script><img src=x onerror=alert(1)>' }),
  );
  const page = await signedIn('amina');
  await eventually(async () => {
    await page.goto(`${CONSOLE}/cases`);
    await page.getByRole('link', { name: evil }).click({ timeout: 1000 });
  });
  await page.getByRole('heading', { level: 1, name: evil }).waitFor();
  assert.notEqual(await page.title(), 'gone');
  await page.locator('#fields').getByText('onerror=alert(1)').first().waitFor();
  await fits(page, 'evil');
  noComplaints(page);
});

test('a wrong password is said to be one, and nobody gets in without', async () => {
  const page = await visitor();
  await page.goto(CONSOLE + '/splits');
  await page.getByLabel('Name').fill('amina');
  await page.getByLabel('Password').fill(people.amina + '?');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('alert').waitFor();
  await fits(page, 'sign-in');
  await page.getByLabel('Password').fill(people.amina);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL('**/splits');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByLabel('Password').waitFor();
  noComplaints(page);
});
