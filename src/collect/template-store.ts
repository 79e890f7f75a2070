/** What is kept of every exporter: its Templates and where its sequence stands. Bounded in every direction. */

import type { Element } from '../export/elements.ts';
import { SequenceTracker } from './sequence.ts';
import type { Template } from './template.ts';

/** Where a message came from: the exporter's end of the Transport Session. */
export interface Source {
  readonly address: string;
  readonly port: number;
  /** `udp` unless said otherwise. */
  readonly transport?: 'udp' | 'tcp';
}

export interface StoreLimits {
  /** Sources: Transport Session and Observation Domain. The least recently heard of makes room. */
  readonly sources: number;
  /** Templates of one source. The least recently defined or refreshed makes room. */
  readonly templatesPerSource: number;
  /** Fields of one Template; a Template with more is refused. */
  readonly fieldsPerTemplate: number;
  /** Fields of all Templates together, four more for each Template: the bound on memory, some 300 octets each. */
  readonly fields: number;
}

export const DEFAULT_LIMITS: StoreLimits = {
  sources: 1024,
  templatesPerSource: 1024,
  fieldsPerTemplate: 1024,
  fields: 262_144,
};

/** One Observation Domain (v9: Source ID, v5: engine type and ID) of one Transport Session. */
export class ExporterSession {
  readonly source: Source;
  readonly sequence = new SequenceTracker();
  /** By Template ID, the most recently defined last. */
  readonly templates = new Map<number, Template>();
  /** What its options data has told of an enterprise's elements (RFC 5610), by `ENTERPRISE.ID`. */
  readonly elements = new Map<string, Element>();

  constructor(source: Source) {
    this.source = source;
  }
}

/** Plain numbers that only grow. */
export interface StoreCounters {
  evictedSources: number;
  evictedTemplates: number;
}

export class TemplateStore {
  readonly limits: StoreLimits;
  readonly counters: StoreCounters = { evictedSources: 0, evictedTemplates: 0 };
  /** The most recently heard of last. */
  readonly #sessions = new Map<string, ExporterSession>();
  #fields = 0;

  constructor(limits: StoreLimits = DEFAULT_LIMITS) {
    this.limits = limits;
  }

  /** Sources that are known. */
  get size(): number {
    return this.#sessions.size;
  }

  /** Fields of all Templates, four more for each Template. */
  get fields(): number {
    return this.#fields;
  }

  /** The session of a source; a new one where it was not known. */
  session(source: Source, version: number, domain: number): ExporterSession {
    const key = `${source.transport ?? 'udp'} ${source.address} ${source.port} ${version} ${domain}`;
    let session = this.#sessions.get(key);
    if (session === undefined) {
      session = new ExporterSession(source);
      if (this.#sessions.size >= this.limits.sources) this.#evictOldest();
    } else {
      this.#sessions.delete(key);
    }
    this.#sessions.set(key, session);
    return session;
  }

  /** Keeps a Template in place of what its ID meant. `session` is the one that was asked for last. */
  define(session: ExporterSession, template: Template): void {
    this.withdraw(session, template.id);
    if (session.templates.size >= this.limits.templatesPerSource) this.#evictTemplate(session);
    session.templates.set(template.id, template);
    this.#fields += template.cost;
    while (this.#fields > this.limits.fields && this.#sessions.size > 1) this.#evictOldest();
    while (this.#fields > this.limits.fields) this.#evictTemplate(session);
  }

  /** Forgets a Template. @returns whether it was known */
  withdraw(session: ExporterSession, id: number): boolean {
    const template = session.templates.get(id);
    if (template === undefined) return false;
    session.templates.delete(id);
    this.#fields -= template.cost;
    return true;
  }

  /** Forgets every domain of a Transport Session that has ended. */
  forget(source: Source): void {
    for (const [key, session] of this.#sessions) {
      const other = session.source;
      const same =
        other.address === source.address &&
        other.port === source.port &&
        (other.transport ?? 'udp') === (source.transport ?? 'udp');
      if (same) this.#drop(key, session);
    }
  }

  #evictOldest(): void {
    for (const [key, session] of this.#sessions) {
      this.#drop(key, session);
      this.counters.evictedSources++;
      return;
    }
  }

  #evictTemplate(session: ExporterSession): void {
    for (const id of session.templates.keys()) {
      this.withdraw(session, id);
      this.counters.evictedTemplates++;
      return;
    }
  }

  #drop(key: string, session: ExporterSession): void {
    for (const template of session.templates.values()) this.#fields -= template.cost;
    this.#sessions.delete(key);
  }
}
