import type { ComponentType } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { Fault } from '../api/fault.ts'
import { Failure, Loading } from './notice.tsx'

/** Makes a component whose code is loaded when it first appears: most visits never leave the conversation. */
export function lazy<P extends object>(load: () => Promise<ComponentType<P>>): ComponentType<P> {
  let found: ComponentType<P> | undefined
  return function Lazy(props: P) {
    const [state, setState] = useState<'loading' | 'loaded' | 'failed'>(found ? 'loaded' : 'loading')
    useEffect(() => {
      if (found) return
      load().then((component) => {
        found = component
        setState('loaded')
      }, () => setState('failed'))
    }, [])
    // After an update the old page asks for code that is gone; a fresh page knows the new names.
    if (state === 'failed') return <Failure fault={new Fault('offline', '')} retry={() => location.reload()} />
    const Component = found
    return Component ? <Component {...props} /> : <Loading />
  }
}
