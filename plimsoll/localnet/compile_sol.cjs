// usage: node compile_sol.cjs <node_modules> <file.sol> <Contract>
// Prints the contract's creation code as hex. Imports are read from <node_modules>.
"use strict";
const fs = require("node:fs");
const path = require("node:path");
const [modules, file, name] = process.argv.slice(2);
const solc = require(path.join(modules, "solc"));

const input = {
  language: "Solidity",
  sources: { main: { content: fs.readFileSync(file, "utf8") } },
  settings: {
    evmVersion: "prague",
    optimizer: { enabled: true, runs: 200 },
    // no metadata: the code does not depend on where the sources lie
    metadata: { appendCBOR: false, bytecodeHash: "none" },
    outputSelection: { main: { [name]: ["evm.bytecode.object"] } },
  },
};
const find = (wanted) => {
  try {
    return { contents: fs.readFileSync(path.join(modules, wanted), "utf8") };
  } catch (error) {
    return { error: String(error.message) };
  }
};
const output = JSON.parse(solc.compile(JSON.stringify(input), { import: find }));
const errors = (output.errors || []).filter((one) => one.severity === "error");
if (errors.length > 0) {
  process.stderr.write(errors.map((one) => one.formattedMessage).join("\n"));
  process.exit(1);
}
process.stdout.write(output.contracts.main[name].evm.bytecode.object);
