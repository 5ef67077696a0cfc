import react from "@vitejs/plugin-react";
import { defineConfig, loadEnv } from "vite";

// Django serves the built files under /static/app/ and index.html at every page address.
export default defineConfig(({ mode }) => {
  const port = loadEnv(mode, "..", "PORT").PORT ?? "8000";
  const target = `http://127.0.0.1:${port}`;
  return {
    base: "/static/app/",
    plugins: [react()],
    // The CSS keeps light-dark(), which every browser has known since 2024.
    build: {
      target: "es2022",
      cssTarget: ["chrome123", "firefox120", "safari17.5"],
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
    },
    server: { proxy: { "/api": { target }, "/ws": { target, ws: true } } },
  };
});
