/// One step of a packet's journey, as `--explain` and `--json` print it.
public struct TraceStep: Sendable {
  /// When it happened.
  public var time: Instant
  /// The journey's number; it stays through NAT and encapsulation.
  public var packet: UInt64
  /// The namespace's name.
  public var namespace: String
  /// The device's name, or empty.
  public var device: String
  /// Where in the stack: `receive`, `bridge`, `prerouting`, `route`, `forward`, `drop`, ….
  public var stage: String
  /// The netfilter table, or empty.
  public var table: String
  /// The chain, or empty.
  public var chain: String
  /// The rule's number from 1, or nil.
  public var rule: Int?
  /// The rule as text, or what happened in words.
  public var text: String
  /// The verdict or fate, or empty.
  public var verdict: String
  /// The packet before the step, in one line, where it was changed.
  public var before: String
  /// The packet after the step, in one line.
  public var after: String

  /// Makes a step.
  public init(
    time: Instant,
    packet: UInt64,
    namespace: String,
    device: String = "",
    stage: String,
    table: String = "",
    chain: String = "",
    rule: Int? = nil,
    text: String = "",
    verdict: String = "",
    before: String = "",
    after: String = ""
  ) {
    self.time = time
    self.packet = packet
    self.namespace = namespace
    self.device = device
    self.stage = stage
    self.table = table
    self.chain = chain
    self.rule = rule
    self.text = text
    self.verdict = verdict
    self.before = before
    self.after = after
  }
}

/// Receives the steps of packets' journeys.
public protocol Tracer: AnyObject {
  /// Takes one step.
  func record(_ step: TraceStep)
}
