// What to tell somebody about notifications in the browser they have.

import './shared.js';

const { agent, browser, system } = self.tocsin;

export { agent, system };

// explain answers {browser, reason, steps}: why notifications are off, and how to
// turn them on in that browser.
export function explain(text = navigator.userAgent) {
  const [name] = browser(text);
  const os = system(text);
  return { browser: agent(text), reason: reason(), steps: steps(name, os) };
}

function reason() {
  if (!window.isSecureContext) return 'The page was not loaded over https, so the browser allows no notifications.';
  if (!('Notification' in window) || !('serviceWorker' in navigator)) return 'This browser has no notifications for this page.';
  if (Notification.permission === 'denied') return 'Notifications are blocked for this site.';
  if (Notification.permission === 'default') return 'Notifications have not been turned on.';
  return 'Notifications are allowed.';
}

function steps(name, os) {
  if (!window.isSecureContext) {
    return ['Open this site by its https address; your administrator sets it as TOCSIN_BASE_URL.'];
  }
  const reload = 'Reload this page.';
  if (os === 'iOS') {
    return [
      'In Safari, press Share, then “Add to Home Screen”, and open Tocsin from there: iOS allows notifications only to such apps (iOS 16.4 or later).',
      'If you blocked them: open Settings, Notifications, Tocsin, and turn on “Allow Notifications”.',
      reload,
    ];
  }
  if (os === 'Android') {
    return name === 'Firefox' ? [
      'Press the padlock left of the address, then Notifications, and choose Allow.',
      'If it is not listed: open Android’s Settings, Apps, Firefox, Notifications, and turn them on.',
      reload,
    ] : [
      'Press the symbol left of the address, then Permissions, Notifications, and turn them on.',
      `If they are greyed out: open Android’s Settings, Apps, ${name}, Notifications, and turn them on.`,
      reload,
    ];
  }
  const own = {
    Windows: `If it still shows nothing: open Windows’ Settings, System, Notifications, turn them on for ${name}, and turn off “Do not disturb”.`,
    macOS: `If it still shows nothing: open System Settings, Notifications, ${name}, turn on “Allow notifications”, and turn off Focus.`,
  }[os] || 'If it still shows nothing: look whether “Do not disturb” is on in your desktop.';
  switch (name) {
    case 'Firefox':
      return ['Click the symbol with the crossed-out speech bubble left of the address and remove “Blocked” beside “Send notifications”.',
        'Or open Settings, Privacy & Security, Permissions, Notifications, Settings…, and set this site to Allow.', reload, own];
    case 'Safari':
      return ['Open Safari’s menu, Settings, Websites, Notifications, and choose Allow beside this site.', reload, own];
    case 'Edge':
      return ['Click the padlock left of the address, then “Permissions for this site”, and set Notifications to Allow.', reload, own];
    default:
      return ['Click the symbol left of the address, then “Site settings”, and set Notifications to Allow.', reload, own];
  }
}
