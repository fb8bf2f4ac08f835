import { mount } from 'svelte';
import App from './App.svelte';
import { startRouter } from './router.svelte';
import { who } from './session.svelte';

void who.ask();
startRouter();
mount(App, { target: document.body });
