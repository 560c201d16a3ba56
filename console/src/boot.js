// Runs before the first paint, so that neither theme nor language flickers. Keys: see state/prefs.ts.
;(() => {
  let prefs = {}
  try {
    prefs = JSON.parse(localStorage.getItem('feilun.prefs') || '{}').state || {}
  } catch {
    // Unreadable or forbidden storage means defaults.
  }
  const root = document.documentElement
  const chinese = prefs.lang === 'zh' || (prefs.lang !== 'en' && /^zh\b/i.test(navigator.language))
  root.lang = chinese ? 'zh-CN' : 'en'
  if (prefs.theme === 'light' || prefs.theme === 'dark') root.dataset.theme = prefs.theme
})()
