// For a classic script: `<script src="/tidings.global.js"></script>` makes `Tidings` and `TidingsError` global.

import { Tidings, TidingsError } from "./index.ts";

Object.assign(globalThis, { Tidings, TidingsError });
