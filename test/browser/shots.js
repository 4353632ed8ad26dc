// Takes the pictures of docs/img from a running `couchmend demo`:
//
//   node shots.js http://127.0.0.1:5985 ../../docs/img
//
// Each page wide and narrow, light and dark.
import { mkdir } from 'node:fs/promises';
import { chromium } from 'playwright-core';

const [at, into] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });
const context = await browser.newContext();
const page = await context.newPage();

const { cases } = await (await fetch(`${at}/api/v1/cases?limit=200`)).json();
const link = (path, { db, id }) => `${path}?${new URLSearchParams({ db, id })}`;
const overlap = cases.filter((c) => c.reason === 'overlap').sort((a, b) => b.live - a.live)[0];
const collision = cases.find((c) => c.reason === 'two_roots');

const pages = {
  overview: () => page.goto(`${at}/`),
  conflicts: () => page.goto(`${at}/cases`),
  document: () => page.goto(at + link('/document', overlap)),
  preview: async () => {
    await page.goto(at + link('/document', overlap));
    await page.locator('#preview').click();
    await page.getByRole('heading', { name: 'What will be written' }).waitFor();
  },
  history: () => page.goto(`${at}/history`),
  policies: () => page.goto(`${at}/policies`),
  pause: () => page.goto(`${at}/pause`),
  split: async () => {
    await page.goto(at + link('/split', collision));
    const look = page.getByRole('button', { name: 'Look for references' });
    if (await look.count()) await look.click();
    await page.getByRole('button', { name: 'Split it' }).waitFor();
  },
  triage: async () => {
    await page.goto(`${at}/triage`);
    await page.getByRole('main').getByRole('button').first().click();
    await page.getByRole('heading', { name: /findings?, the heaviest first/ }).waitFor();
  },
};

await mkdir(into, { recursive: true });
for (const [name, open] of Object.entries(pages)) {
  await page.setViewportSize({ width: 1600, height: 1000 });
  await open();
  for (const [size, viewport] of Object.entries({ wide: { width: 1600, height: 1000 }, narrow: { width: 400, height: 800 } })) {
    await page.setViewportSize(viewport);
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme });
      await page.waitForTimeout(200);
      await page.screenshot({ path: `${into}/${name}-${size}-${colorScheme}.png` });
    }
  }
}
await browser.close();
