import js from "@eslint/js";
import globals from "globals";

export default [
  js.configs.recommended,
  {
    languageOptions: { globals: globals.browser },
    rules: {
      complexity: ["error", 20],
      curly: ["error", "multi-line"],
      eqeqeq: "error",
      "max-len": ["error", { code: 100, ignorePattern: "^[\\w+/=]+$" }],
      "max-lines": ["error", 400],
      "max-lines-per-function": ["error", 60],
      "no-param-reassign": "error",
      "no-shadow": "error",
      "no-unused-vars": ["error", { varsIgnorePattern: "^_", argsIgnorePattern: "^_" }],
      "no-var": "error",
      "object-shorthand": "error",
      "prefer-const": "error",
    },
  },
];
