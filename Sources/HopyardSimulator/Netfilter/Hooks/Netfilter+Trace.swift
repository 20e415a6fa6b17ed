extension Netfilter {
  /// The packet in one line if somebody traces it.
  @inline(__always)
  func tracedSummary(_ packet: borrowing Packet) -> String? {
    !core.pointee.isTraced ? nil : PacketSummary.line(packet)
  }

  /// Tells the tracer of a rule that a packet met.
  @inline(never)
  func trace(
    _ code: UnsafeMutablePointer<ChainCode>,
    _ index: Int,
    _ packet: borrowing Packet,
    _ context: RuleContext,
    _ verdict: String,
    before: String? = nil
  ) {
    let chain = code.pointee.compiled.takeUnretainedValue().chain
    let rule = chain.rules[index]
    let after = PacketSummary.line(packet)
    let isChanged = before != nil && before != after
    record(
      packet,
      context.hook,
      context.input ?? context.output,
      table: code.pointee.tableName,
      chain: chain.name,
      rule: index + 1,
      text: shared.describe?(rule) ?? rule.target?.name ?? "",
      verdict,
      before: isChanged ? before ?? "" : "",
      after: isChanged ? after : ""
    )
  }

  /// Tells the tracer of a policy that a packet met.
  @inline(never)
  func tracePolicy(
    _ code: UnsafeMutablePointer<ChainCode>,
    _ packet: borrowing Packet,
    _ context: RuleContext,
    _ isDrop: Bool
  ) {
    record(
      packet,
      context.hook,
      context.input ?? context.output,
      table: code.pointee.tableName,
      chain: code.pointee.name,
      rule: 0,
      text: "policy",
      isDrop ? "drop" : "accept"
    )
  }

  /// Tells the tracer that a packet was translated.
  func traceTranslation(_ packet: borrowing Packet, _ hook: Hook, _ before: String) {
    let after = PacketSummary.line(packet)
    guard before != after else { return }
    record(
      packet,
      hook,
      nil,
      table: "nat",
      chain: "",
      rule: nil,
      text: "translated",
      "continue",
      before: before,
      after: after
    )
  }

  private func record(
    _ packet: borrowing Packet,
    _ hook: Hook,
    _ device: InterfaceReference?,
    table: String,
    chain: String,
    rule: Int?,
    text: String,
    _ verdict: String,
    before: String = "",
    after: String = ""
  ) {
    simulation.tracer?.record(
      TraceStep(
        time: simulation.now,
        packet: packet.metadata.journey,
        namespace: environment.namespaceName,
        device: device.map { environment.interfaceName($0.device) } ?? "",
        stage: hook.stage,
        table: table,
        chain: chain,
        rule: rule,
        text: text,
        verdict: verdict,
        before: before,
        after: after
      )
    )
  }
}
