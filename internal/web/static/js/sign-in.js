// The sign-in page: what stands behind the address' # goes along to the page that
// was asked for. Browsers carry it over the hub's answer by themselves.

const form = document.querySelector('form');
if (form && location.hash) form.action += location.hash;
