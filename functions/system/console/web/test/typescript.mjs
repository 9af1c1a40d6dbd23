// Lets Node 20 import the sources as they are: it cannot strip types by itself, later versions can.
import { readFile } from 'node:fs/promises'
import { createRequire, register } from 'node:module'
import { fileURLToPath } from 'node:url'
import { isMainThread } from 'node:worker_threads'

if (isMainThread && !process.features.typescript) register(import.meta.url)

let ts

export async function load(url, context, next) {
  if (!url.endsWith('.ts')) return next(url, context)
  // Required, and late: an import would cost every test a second for finding the names in it.
  ts ??= createRequire(import.meta.url)('typescript')
  const compilerOptions = { target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext, inlineSourceMap: true }
  const fileName = fileURLToPath(url)
  const source = ts.transpileModule(await readFile(fileName, 'utf8'), { compilerOptions, fileName }).outputText
  return { format: 'module', source, shortCircuit: true }
}
