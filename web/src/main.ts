import "@fontsource-variable/inter/index.css";
import "@fontsource-variable/jetbrains-mono/index.css";
import "./styles/tokens.css";
import "./styles/base.css";
import { mount } from "svelte";
import App from "./App.svelte";
import { theme } from "./state/theme.svelte.ts";
import { startTelemetry } from "./telemetry/telemetry.ts";

theme.start();
startTelemetry();
const target = document.getElementById("app");
if (target !== null) mount(App, { target });
