// What the stories of this folder share: a browser, people who sign in, and
// phones that save to CouchDB behind the console's back.
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

const { COUCHDB, DB, CONSOLE, CONSOLE_READ_ONLY, CHROMIUM, COUCHMEND_SHOTS } = process.env;

export { DB, CONSOLE, CONSOLE_READ_ONLY };

export const people = {
  admin: 'secret',
  amina: 'amina-knows',
  binta: 'binta-knows',
  stranger: 'knows-nothing',
};

// PATIENCE is how long a page may take to show what has happened, in ms.
export const PATIENCE = 15_000;

let browser;

export async function openBrowser() {
  browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
  return browser;
}

export async function closeBrowser() {
  await browser?.close();
}

// visitor is a page of a browser profile of its own. Whatever goes wrong in a
// script there, or breaks the content security policy, fails the story.
export async function visitor(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  page.complaints = [];
  page.on('pageerror', (error) => page.complaints.push(`${page.url()}: ${error}`));
  page.on('console', (message) => {
    const expected = /status of 4\d\d/.test(message.text());
    if (message.type() === 'error' && !expected) page.complaints.push(`${page.url()}: ${message.text()}`);
  });
  return page;
}

// signedIn is a page of somebody who has signed in and sees the overview.
export async function signedIn(name, { console: at = CONSOLE, ...options } = {}) {
  const page = await visitor(options);
  await page.goto(at + '/');
  await page.getByLabel('Name').fill(name);
  await page.getByLabel('Password').fill(people[name]);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('navigation').first().waitFor();
  return page;
}

export function noComplaints(...pages) {
  for (const page of pages) assert.deepEqual(page.complaints, []);
}

// couch asks CouchDB as the server's admin.
export async function couch(method, path, body) {
  const url = new URL(COUCHDB);
  const login = Buffer.from(`${url.username}:${url.password}`).toString('base64');
  const answer = await fetch(`${url.origin}/${path}`, {
    method,
    headers: { authorization: `Basic ${login}`, 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  return { status: answer.status, body: await answer.json() };
}

const segment = encodeURIComponent;

export async function read(id, query = '') {
  return (await couch('GET', `${DB}/${segment(id)}${query}`)).body;
}

// liveLeaves are the live leaves of a document.
export async function liveLeaves(id) {
  const { body } = await couch('POST', `${DB}/_bulk_get?revs=true`, { docs: [{ id }] });
  return body.results[0].docs.flatMap((d) => (d.ok && !d.ok._deleted ? [d.ok] : []));
}

// save writes a revision as a replica does: with an id and a path of its own.
// Revisions of the same text have the same id.
export async function save(id, doc, parents = []) {
  const hash = createHash('md5').update(JSON.stringify([id, doc, parents])).digest('hex');
  const rev = `${parents.length + 1}-${hash}`;
  const ids = [rev, ...parents].map((r) => r.slice(r.indexOf('-') + 1));
  const { status, body } = await couch('POST', `${DB}/_bulk_docs`, {
    new_edits: false,
    docs: [{ _id: id, _rev: rev, ...doc, _revisions: { start: parents.length + 1, ids } }],
  });
  assert.equal(status, 201, JSON.stringify(body));
  assert.deepEqual(body, []);
  return rev;
}

// conflict saves a document and edits of it that know nothing of each other.
// It returns the revisions, the first one's before the edits'.
export async function conflict(id, base, ...edits) {
  const first = await save(id, base);
  const revs = [first];
  for (const edit of edits) revs.push(await save(id, edit, [first]));
  return revs;
}

// A report as phones save them. Its field lmp, edited twice, waits for a person.
export function report(fields, more = {}) {
  return { type: 'data_record', form: 'pregnancy', read: [], fields: { visits: 1, ...fields }, ...more };
}

// eventually waits until check holds, or passes its last error on.
export async function eventually(check, patience = PATIENCE) {
  for (const end = Date.now() + patience; ; ) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

const require = createRequire(import.meta.url);

// accessible holds a page to the rules that axe can check.
export async function accessible(page) {
  // A script tag would break the content security policy, and rightly so.
  await page.evaluate(await (await import('node:fs/promises')).readFile(require.resolve('axe-core/axe.min.js'), 'utf8'));
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  assert.deepEqual(
    violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(' ')).slice(0, 3).join(', ')}`),
    [],
    `${page.url()} is not accessible`,
  );
}

// sizes are the widths that every page must be good at.
const sizes = { wide: { width: 1600, height: 1000 }, narrow: { width: 400, height: 800 } };

// fits fails where a page must be scrolled sideways, or can't be read by machine,
// at any width, light or dark; and takes screenshots where they are asked for.
export async function fits(page, name) {
  for (const [size, viewport] of Object.entries(sizes)) {
    await page.setViewportSize(viewport);
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(wide <= viewport.width, `${name} is ${wide} px wide on a screen of ${viewport.width}`);
      await accessible(page);
      if (!COUCHMEND_SHOTS) continue;
      await mkdir(COUCHMEND_SHOTS, { recursive: true });
      await page.screenshot({ path: `${COUCHMEND_SHOTS}/${name}-${size}-${colorScheme}.png` });
    }
  }
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize({ width: 1280, height: 900 });
}
