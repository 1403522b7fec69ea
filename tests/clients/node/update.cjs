// Updates from a server with npm's tuf-js, from a root that is in a folder already, and downloads targets.
// Usage: node update.cjs URL FOLDER TARGET...; prints the digest and length of each as JSON.
const { createHash } = require("node:crypto");
const { mkdirSync, readFileSync } = require("node:fs");
const { join } = require("node:path");
const { Updater } = require("tuf-js");

const [url, folder, ...paths] = process.argv.slice(2);
const targetDir = join(folder, "targets");
mkdirSync(targetDir, { recursive: true });

const updater = new Updater({
  metadataDir: folder,
  metadataBaseUrl: `${url}/v1/tuf/metadata`,
  targetDir,
  targetBaseUrl: `${url}/v1/tuf/targets`,
});

const read = async (path) => {
  const info = await updater.getTargetInfo(path);
  if (!info) return null;
  const content = readFileSync(await updater.downloadTarget(info));
  return { length: content.length, sha256: createHash("sha256").update(content).digest("hex"), custom: info.custom };
};

const main = async () => {
  await updater.refresh();
  const found = {};
  for (const path of paths) found[path] = await read(path);
  return { root: updater.trustedSet.root.signed.version, found };
};

main().then(
  (result) => console.log(JSON.stringify(result)),
  (error) => console.log(JSON.stringify({ error: `${error.name}: ${error.message}` })),
);
