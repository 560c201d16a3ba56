import type { ReactNode } from 'react'

/** Icons on a 20-unit grid, drawn with one stroke width. They are decoration: the control that holds one has the name. */
function icon(shape: ReactNode) {
  return function Icon({ className = 'size-5' }: { className?: string }) {
    return (
      <svg viewBox="0 0 20 20" className={`shrink-0 ${className}`} fill="none" stroke="currentColor" strokeWidth="1.5" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true">
        {shape}
      </svg>
    )
  }
}

export const ComposeIcon = icon(<><path d="M9.5 4H5.5A1.5 1.5 0 0 0 4 5.5v9A1.5 1.5 0 0 0 5.5 16h9a1.5 1.5 0 0 0 1.5-1.5v-4" /><path d="M14.6 3.6a1.3 1.3 0 0 1 1.8 1.8L10.6 11.2 8 12l.8-2.6z" /></>)
export const SearchIcon = icon(<><circle cx="9" cy="9" r="5" /><path d="m13 13 3.5 3.5" /></>)
export const SidebarIcon = icon(<><rect x="3" y="4" width="14" height="12" rx="2.5" /><path d="M8 4v12" /></>)
export const ChatIcon = icon(<path d="M10 3.8c-3.9 0-7 2.6-7 5.9 0 1.9 1 3.5 2.6 4.6L5 17l3.2-1.6c.6.1 1.2.2 1.8.2 3.9 0 7-2.6 7-5.9s-3.1-5.9-7-5.9Z" />)
export const FlywheelIcon = icon(<><circle cx="10" cy="10" r="6.8" /><circle cx="10" cy="10" r="1.4" fill="currentColor" />{[0, 120, 240].map((angle) => <path key={angle} d="M10 8.6C9.8 6.6 10.6 4.9 12 3.6" transform={`rotate(${angle} 10 10)`} />)}</>)
export const PlanIcon = icon(<><path d="M3.5 3.5V15A1.5 1.5 0 0 0 5 16.5h11.5" /><path d="m6.5 12.5 3-3.5 2.5 2 4-5" /></>)
export const LineageIcon = icon(<><circle cx="10" cy="4.5" r="2" /><circle cx="5" cy="15.5" r="2" /><circle cx="15" cy="15.5" r="2" /><path d="M10 6.5v3.2M5 13.5v-2a1.8 1.8 0 0 1 1.8-1.8h6.4a1.8 1.8 0 0 1 1.8 1.8v2" /></>)
export const SunIcon = icon(<><circle cx="10" cy="10" r="3.2" /><path d="M10 2.5V4M10 16v1.5M2.5 10H4M16 10h1.5M4.7 4.7l1 1M14.3 14.3l1 1M4.7 15.3l1-1M14.3 5.7l1-1" /></>)
export const MoonIcon = icon(<path d="M16.5 11.8A7 7 0 0 1 8.2 3.5a7 7 0 1 0 8.3 8.3Z" />)
export const AutoIcon = icon(<><circle cx="10" cy="10" r="6.5" /><path d="M10 3.5v13a6.5 6.5 0 0 0 0-13Z" fill="currentColor" /></>)
export const KeyboardIcon = icon(<><rect x="2.5" y="5" width="15" height="10" rx="2" /><path d="M6 8.3h.01M8.7 8.3h.01M11.3 8.3h.01M14 8.3h.01M7 11.7h6" /></>)
export const SlidersIcon = icon(<><path d="M3.5 6.5h6M14 6.5h2.5M3.5 13.5H6M10.5 13.5h6" /><circle cx="11.7" cy="6.5" r="2" /><circle cx="8.2" cy="13.5" r="2" /></>)
export const SendIcon = icon(<path d="M10 16V4.5M5 9.3l5-4.8 5 4.8" strokeWidth="1.9" />)
export const StopIcon = icon(<rect x="5.5" y="5.5" width="9" height="9" rx="1.8" fill="currentColor" stroke="none" />)
export const CopyIcon = icon(<><rect x="7" y="7" width="9.5" height="9.5" rx="2" /><path d="M13 7V5.5a2 2 0 0 0-2-2H5.5a2 2 0 0 0-2 2V11a2 2 0 0 0 2 2H7" /></>)
export const CheckIcon = icon(<path d="m4.5 10.5 3.7 3.7 7.3-8" />)
export const EditIcon = icon(<path d="m4 16 .7-3.3 8.4-8.4a1.5 1.5 0 0 1 2.2 0l.4.4a1.5 1.5 0 0 1 0 2.2l-8.4 8.4L4 16Z" />)
export const RefreshIcon = icon(<><path d="M16 10a6 6 0 1 1-1.8-4.3L16 7.5" /><path d="M16 3.8v3.7h-3.7" /></>)
export const ThumbUpIcon = icon(<path d="M6.5 9v7M6.5 9l3-5.7a1.7 1.7 0 0 1 2.1 1.9L11 8h4a1.6 1.6 0 0 1 1.6 1.9l-.9 4.7a1.7 1.7 0 0 1-1.7 1.4H4.5A1 1 0 0 1 3.5 15v-5a1 1 0 0 1 1-1h2Z" />)
export const ThumbDownIcon = icon(<path d="M13.5 11V4M13.5 11l-3 5.7a1.7 1.7 0 0 1-2.1-1.9L9 12H5a1.6 1.6 0 0 1-1.6-1.9l.9-4.7A1.7 1.7 0 0 1 6 4h9.5a1 1 0 0 1 1 1v5a1 1 0 0 1-1 1h-2Z" />)
export const CorrectIcon = icon(<><path d="M3.5 5.5h8M3.5 9.5h5M3.5 13.5h3" /><path d="m9 15.8.5-2.2 5-5a1.2 1.2 0 0 1 1.7 1.7l-5 5L9 15.8Z" /></>)
export const CompareIcon = icon(<><rect x="3" y="4" width="6" height="12" rx="1.5" /><rect x="11" y="4" width="6" height="12" rx="1.5" /></>)
export const ChevronLeftIcon = icon(<path d="m12 5-5 5 5 5" />)
export const ChevronRightIcon = icon(<path d="m8 5 5 5-5 5" />)
export const ChevronDownIcon = icon(<path d="m5.5 8 4.5 4.5L14.5 8" />)
export const ArrowDownIcon = icon(<path d="M10 4.5v11M5.5 11l4.5 4.5 4.5-4.5" />)
export const CloseIcon = icon(<path d="m5.5 5.5 9 9M14.5 5.5l-9 9" />)
export const MoreIcon = icon(<path d="M5 10h.01M10 10h.01M15 10h.01" strokeWidth="2.4" />)
export const PinIcon = icon(<path d="M7.5 3.5h5l-.5 5 2.5 2.5v1h-9v-1L8 8.5l-.5-5ZM10 12v5" />)
export const TrashIcon = icon(<path d="M4 5.5h12M8 5.5v-2h4v2M5.5 5.5 6.2 16h7.6l.7-10.5M8.5 8.5v4.5M11.5 8.5v4.5" />)
export const DownloadIcon = icon(<path d="M10 3.5v9M6 9l4 4 4-4M4 16.5h12" />)
export const AlertIcon = icon(<><circle cx="10" cy="10" r="6.8" /><path d="M10 6.5v4.2M10 13.5h.01" /></>)
export const FolderIcon = icon(<path d="M3 6a1.5 1.5 0 0 1 1.5-1.5h3L9 6h6.5A1.5 1.5 0 0 1 17 7.5v6.5a1.5 1.5 0 0 1-1.5 1.5h-11A1.5 1.5 0 0 1 3 14V6Z" />)
export const LockIcon = icon(<><rect x="4.5" y="9" width="11" height="7.5" rx="1.8" /><path d="M7 9V6.5a3 3 0 0 1 6 0V9" /></>)
export const ChipIcon = icon(<><rect x="5.5" y="5.5" width="9" height="9" rx="1.8" /><path d="M8 2.8v2.7M12 2.8v2.7M8 14.5v2.7M12 14.5v2.7M2.8 8h2.7M2.8 12h2.7M14.5 8h2.7M14.5 12h2.7" /></>)
