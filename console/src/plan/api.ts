import { requestJson } from '../api/http'

/** The shapes of `/api/plan`, as far as the page shows them. */

export interface Said {
  en: string
  zh: string
}

export interface Memory {
  weights_gb: number
  gradients_gb: number
  optimiser_gb: number
  activations_gb: number
  logits_gb: number
  gathered_gb: number
  total_gb: number
  device_gb: number
}

export interface Layout {
  data: number
  zero: number
  tensor: number
  pipeline: number
  recompute: 'none' | 'selective' | 'full'
  micro_batch: number
  micro_batches: number
  batch_tokens: number
  bubble: number
  memory: Memory
}

export interface Cost {
  low: number | null
  expected: number | null
  high: number | null
  usd_per_hour: number | null
  basis: string
}

export interface TrainPlan {
  model: { params: number; layers: number; width: number }
  tokens: number
  device: string
  count: number
  days: { ideal: number; expected: number; programme: number; low: number; high: number }
  accelerator_hours: number
  flops: { useful: number; hardware: number }
  speed: { tflops: number; utilisation: number; known: boolean; basis: string }
  tokens_per_second: number
  cost_usd: Cost
  programme_cost_usd: number | null
  energy: { mwh: number; co2e_t: number; mw: number }
  checkpoint: { weights_gb: number; full_gb: number; interval_minutes: number }
  goodput: number
  stops_per_day: number
  layout: Layout | null
  notes: Said[]
}

export interface Plans {
  plans: TrainPlan[]
}

export interface BudgetPlan {
  budget_usd: number
  variants: { kind: 'compute_optimal' | 'over_trained'; tokens_per_param: number; loss: number; plan: TrainPlan }[]
}

export interface ServePlan {
  model: string
  device: string
  users: number
  context: number
  weights_gb: number
  kv_mb_per_token: number
  kv_gb_per_user: number
  devices_per_replica: number
  concurrency_per_replica: number
  replicas: number
  devices: number
  busy_users: number
  decode_tokens_per_second_alone: number
  decode_tokens_per_second_busy: number
  prefill_tokens_per_second: number
  first_token_s: number
  cost_usd_per_hour: number | null
  cost_usd_per_million_tokens: number | null
  cost_usd_per_answer: number | null
  cost_usd_per_user_month: number | null
  revenue_usd_per_answer: number | null
  pays: boolean | null
  mw: number
}

export interface ServePlans {
  plans: ServePlan[]
}

export interface Compared {
  device: string
  process_nm: number | null
  count: number
  days: number
  low: number
  high: number
  fits: boolean
  cost_usd: number | null
  mwh: number
  co2e_t: number
  count_for_same_days: number | null
  cost_same_days_usd: number | null
  mw_same_days: number | null
}

export interface Comparison {
  reference: string
  rows: Compared[]
}

/** Changes of which each is enough; of a model that is served all together. */
export interface Fits {
  needs_gb: number
  has_gb: number
  count: number | null
  params: number | null
  quantisation: string | null
}

export interface Device {
  name: string
  vendor: string
  year: number | null
  process_nm: number | null
  memory_gb: number
}

export interface Catalogue {
  devices: Device[]
  models: Record<string, number>
}

export interface Claim {
  name: string
  claim: string
  claim_zh: string
  group: string
  params: string
  tokens: string
  device: string
  count: number
  tflops: number | null
}

export interface Presets {
  presets: Record<string, TrainPlan>
  claims: Record<string, Claim>
}

export const getPlan = <T>(path: string, signal?: AbortSignal) => requestJson<T>(`/api/plan/${path}`, { signal })
