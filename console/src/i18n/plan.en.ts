const UNITS = { years: 'years', days: 'days', hours: 'hours', minutes: 'minutes', seconds: 'seconds' }

/** The plan page in English. */
export const plan = {
  title: 'Plan',
  skip: 'Skip to the plan',
  intro: 'What training and serving will take, before it is paid for. Published runs are behind every number; eight of ten runs end inside the interval.',
  tabsLabel: 'What to plan',
  tabs: { train: 'Train', serve: 'Serve', compare: 'Compare' },
  question: 'Question',
  answer: 'Answer',
  stale: 'Reckoning…',
  loadFailed: 'The list of devices could not be loaded.',
  units: UNITS,
  span: (value: string, unit: string) => `${value} ${UNITS[unit as keyof typeof UNITS] ?? unit}`,
  noPrice: 'price unknown',

  fields: {
    params: 'Parameters', active: 'Active parameters', tokens: 'Tokens', model: 'Model', device: 'Device', count: 'Devices',
    budget: 'Budget (USD)', deadline: 'Deadline', tflops: 'TFLOP/s of a device', length: 'Tokens of a row', precision: 'Precision',
    recompute: 'Computed twice', price: 'USD an hour and device', users: 'Users', context: 'Context (tokens)', quantisation: 'Weights in',
    per_day: 'Answers a user and day', answer_tokens: 'Tokens of an answer', revenue: 'USD an answer earns',
  },
  speculative: 'A small model guesses ahead',
  wrong: { count: 'Write it like 175B, 7e9 or 1,024.', days: 'Write it like 30d, 12h or 2w.', usd: 'Write it like 50000USD or 2M.' },
  hints: {
    active: 'Of a mixture of experts: those a token passes through',
    tflops: 'As measured, with what is computed twice',
    deadline: 'Such as 30d, 12h, 2w',
  },
  here: 'This machine',
  anyDevice: 'Any: the cheapest',
  bySize: 'By its size',
  byDefault: 'as usual',
  more: 'More',
  goalsLabel: 'What is given',
  goals: { count: 'Devices', budget: 'Budget', deadline: 'Deadline' },

  presets: {
    label: 'Examples',
    groups: { tiers: 'Four tiers', 'gpt-3.5': 'GPT-3 and GPT-3.5', claims: 'Claims' } as Record<string, string>,
    chips: {
      'gpt3-1024-a100': '1,024 cards', 'gpt35-4000-300b': '4,000 cards, 300B', 'gpt35-10000-300b': '10,000 cards, 300B',
      'gpt35-4000-1t': '4,000 cards, 1T', 'gpt35-10000-1t': '10,000 cards, 1T', 'ten-million-gpus': '10 million GPUs',
      'tier-general': 'General', 'tier-industry': 'Industry', 'tier-enterprise': 'Enterprise', 'tier-personal': 'Personal',
    } as Record<string, string>,
    table: 'What each would mean',
    claim: 'What is said',
  },

  numbers: {
    ideal: 'Ideal', expected: 'Expected', programme: 'Whole programme',
    idealHint: 'nothing fails', expectedHint: 'with stops and restarts', programmeHint: 'with the runs before the final one',
    interval: (low: string, high: string) => `8 of 10 runs: ${low} to ${high}`,
    said: (count: string, device: string, expected: string, low: string, high: string) => `${count} × ${device}: expected ${expected}, between ${low} and ${high}.`,
    subject: (params: string, tokens: string, count: string, device: string) => `${params} parameters on ${tokens} tokens, ${count} × ${device}`,
    axis: 'From ideal to the whole programme, with the interval',
  },
  figures: {
    cost: 'Cost', programmeCost: 'Whole programme', hours: 'Device-hours', energy: 'Energy', power: 'Power', co2: 'CO2e', speed: 'Speed of a device',
    operations: 'Operations', rate: 'Tokens a second', checkpoint: 'Checkpoint', stops: 'Stops a day', goodput: 'Time that counts',
    between: (low: string, high: string) => `${low} to ${high}`,
    basis: (basis: string) => basis.replace('rent', 'rents of').replace('purchase', 'purchase of'),
    tonnes: (t: string) => `${t} t`,
    mfu: (tflops: string, mfu: string) => `${tflops} TFLOP/s, ${mfu} of peak`,
    bases: { tflops: 'as given', prior: 'by published runs', calibrated: 'by runs made here', probe: 'as probed' } as Record<string, string>,
    written: (full: string, minutes: string) => `${full} every ${minutes} min`,
  },

  charts: {
    title: 'Time and money',
    time: 'Time by number of devices',
    money: 'Cost against time',
    timeSaid: (count: string, days: string) => `Days by number of devices, both logarithmic: the more devices, the fewer days. At ${count} devices ${days}.`,
    moneySaid: (cost: string, days: string) => `Cost by days, both logarithmic, for one to a hundred thousand devices. Here ${cost} in ${days}.`,
    days: 'days', devices: 'devices', usd: 'USD', users: 'users',
    band: '8 of 10 runs', rents: 'between rents', here: 'this plan', faint: 'does not fit',
    flat: 'More devices save time and cost more: each is slower among many, most of all from one server to eight, and a large cluster stops often.',
    table: 'As a table',
    scale: 'From one user to a hundred million',
    perAnswer: 'Cost of an answer by number of users',
    perAnswerSaid: (cost: string, users: string) => `Cost of an answer by number of users, both logarithmic: it falls until a device is busy. Here ${cost} with ${users} users.`,
  },

  memory: {
    title: 'Memory of a device',
    parts: {
      weights_gb: 'weights', gradients_gb: 'gradients', optimiser_gb: 'optimiser', activations_gb: 'activations', logits_gb: 'logits',
      gathered_gb: 'gathered', cache: 'caches', free: 'free',
    },
    said: (used: string, all: string) => `${used} of ${all}`,
    room: 'Up to the mark can be filled; the rest is the driver’s.',
  },

  layout: {
    title: 'Layout',
    said: (data: number, tensor: number, pipeline: number) => `Data ${data} × tensor ${tensor} × pipeline ${pipeline}`,
    none: 'No layout fits; the time is reckoned all the same.',
    replicas: (n: string) => `${n} ${n === '1' ? 'replica' : 'replicas'} of the model, each with its own data`,
    tensor: (n: number) => (n > 1 ? `each product is shared by ${n} devices (rows)` : 'products are not shared'),
    pipeline: (n: number) => (n > 1 ? `the layers are cut into ${n} stages (columns)` : 'the layers are not cut'),
    zero: {
      0: 'ZeRO 0: nothing is divided among replicas',
      1: 'ZeRO 1: the optimiser’s state is divided among the replicas',
      2: 'ZeRO 2: optimiser and gradients are divided among the replicas',
      3: 'ZeRO 3: weights, gradients and optimiser are divided among the replicas',
    } as Record<number, string>,
    recompute: {
      none: 'nothing is computed twice', selective: 'attention scores are computed twice', full: 'each layer’s forward pass is computed twice',
    },
    batch: (rows: number, times: string, tokens: string) => `${rows} ${rows === 1 ? 'row' : 'rows'} at a time, ${times} times a step: ${tokens} tokens`,
    bubble: (share: string) => `${share} of a step stages wait for each other`,
    hidden: (what: string) => `Not drawn: ${what}.`,
    hiddenReplicas: (n: string) => `${n} more replicas`,
    hiddenColumns: (n: number) => `${n} more stages`,
    device: 'Each box is a device; each frame a replica.',
  },

  refusal: {
    title: 'This cannot be',
    fits: 'What would fit',
    needs: 'needed', has: 'there is',
    count: (n: string) => `Use ${n} devices`,
    params: (n: string) => `Use ${n} parameters`,
    quantisation: (name: string) => `Use ${name}`,
    both: (n: string, name: string) => `Use ${n} parameters in ${name}`,
  },

  budget: {
    title: 'Models that this trains',
    kinds: { compute_optimal: 'Compute-optimal', over_trained: 'Small, over-trained' },
    ratio: (n: string) => `${n} tokens a parameter`,
    loss: 'Expected loss',
    show: 'Plan this',
    cheapest: 'Cheapest devices that make it',
  },

  serve: {
    subject: (model: string, users: string, context: string, device: string) => `${model} for ${users} users with ${context} of context, on ${device}`,
    pays: { yes: 'An answer pays for itself.', no: 'An answer costs more than it earns.', unknown: 'Say what an answer earns, to see whether it pays for itself.' },
    answer: 'An answer', million: 'A million tokens, full load', month: 'A user and month', hour: 'An hour',
    devices: 'Devices', replicas: (n: string, of: number) => `${n} × ${of}`,
    busy: 'Answered at once', concurrency: 'Places of a replica', alone: 'Tokens a second, alone', full: 'Tokens a second, full',
    prefill: 'Prompt tokens a second', first: 'First word after', seconds: (s: string) => `${s} s`,
    cache: 'Cache of a user',
  },

  compare: {
    days: 'Time', cost: 'Money', energy: 'Energy',
    measure: 'the measure',
    process: (nm: number) => `${nm} nm`,
    noFit: 'does not fit',
    same: (count: string) => `${count} are as fast`,
    sameCost: (cost: string, power: string) => `${cost}, ${power}`,
    never: 'no number of them is as fast',
    choose: 'Devices that are compared',
    chosen: (n: number) => `${n} chosen; the first is the measure`,
    usual: 'Compare the usual ones',
    more: 'More of an older chip: with each stands how many of it would be as fast as the measure, at what money and power.',
  },

  command: 'The same as a command',
  copyCommand: 'Copy as command',
}
