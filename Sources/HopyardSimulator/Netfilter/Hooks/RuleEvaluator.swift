import HopyardWire

/// Where evaluation goes on when a chain that was jumped to ends.
struct ChainFrame {
  let chain: UnsafeMutablePointer<ChainCode>
  let next: Int
}

/// What a target says.
enum TargetVerdict {
  /// The next rule.
  case next
  case accept
  case drop
  /// The packet ends for another reason than the rule.
  case fate(Fate)
}

extension Netfilter {
  /// Sends a packet through a base chain.
  ///
  /// Jumps use an explicit stack: a rule set may nest deeper than the program's own stack allows.
  func evaluate(
    _ base: UnsafeMutablePointer<ChainCode>,
    _ packet: inout Packet,
    at hook: Hook,
    input: InterfaceReference?,
    output: InterfaceReference?
  ) -> HookOutcome {
    guard var context = RuleContext(packet, at: hook, input: input, output: output) else {
      return drop(.malformed)
    }
    let isTraced = simulation.tracer != nil
    let bottom = depth
    var chain = base
    var index = 0
    walk: while true {
      let rules = chain.pointee.rules
      let count = chain.pointee.count
      // The run in which the packet is, and the place in its list of candidates.
      var run: UInt16 = 0
      var place = 0
      while index < count {
        let runHere = rules[index].run
        if runHere != 0 {
          // Only rules that name the packet's own value are looked at.
          let runs = chain.pointee.runs + (Int(runHere) &- 1)
          if runHere != run {
            run = runHere
            place = runs.pointee.candidates(for: context)
          }
          let next = runs.pointee.next(from: index, at: &place)
          guard next == index else {
            index = next
            continue
          }
        }
        guard meets(rules + index, index, chain, &packet, &context) else {
          index &+= 1
          continue
        }
        chain.pointee.counters.pointee.count(index, bytes: context.view.totalLength)
        switch rules[index].action {
        case .next:
          if isTraced { trace(chain, index, packet, context, "continue") }
        case .accept:
          if isTraced { trace(chain, index, packet, context, "accept") }
          depth = bottom
          return .accept
        case .drop:
          if isTraced { trace(chain, index, packet, context, "drop") }
          depth = bottom
          return dropped(chain, index)
        case .return:
          if isTraced { trace(chain, index, packet, context, "return") }
          index = count
          continue
        case .jump:
          if isTraced { trace(chain, index, packet, context, "jump") }
          push(ChainFrame(chain: chain, next: index &+ 1))
          chain = chain.pointee.destinations[Int(rules[index].operand)]
          index = 0
          continue walk
        case .goto:
          if isTraced { trace(chain, index, packet, context, "goto") }
          chain = chain.pointee.destinations[Int(rules[index].operand)]
          index = 0
          continue walk
        case .target:
          switch carryOut(chain, index, &packet, &context, isTraced) {
          case .next: break
          case .accept:
            depth = bottom
            return .accept
          case .drop:
            depth = bottom
            return dropped(chain, index)
          case .fate(let fate):
            depth = bottom
            return drop(fate)
          }
        }
        index &+= 1
      }
      guard depth > bottom else { break }
      depth &-= 1
      chain = stack[depth].chain
      index = stack[depth].next
    }
    // A chain that was gone to returns to where the last jump came from: here, the policy.
    let instance = base.pointee.instance
    let length = context.view.totalLength
    instance._withUnsafeGuaranteedRef { $0.activity.policy.count(bytes: length) }
    if isTraced { tracePolicy(base, packet, context, base.pointee.dropsByPolicy) }
    return base.pointee.dropsByPolicy ? dropped(base, -1) : .accept
  }

  @inline(__always)
  private func push(_ frame: ChainFrame) {
    if depth == stackCapacity { growStack() }
    (stack + depth).initialize(to: frame)
    depth &+= 1
  }

  private func growStack() {
    let new = UnsafeMutablePointer<ChainFrame>.allocate(capacity: stackCapacity * 2)
    new.moveInitialize(from: stack, count: depth)
    stack.deallocate()
    stack = new
    stackCapacity *= 2
  }

  /// A rule's verdict DROP; -1 stands for the policy.
  private func dropped(_ chain: UnsafeMutablePointer<ChainCode>, _ index: Int) -> HookOutcome {
    let instance = chain.pointee.instance.takeUnretainedValue()
    return drop(
      .netfilter(
        RuleReference(
          table: instance.table.name,
          chain: instance.name,
          rule: index + 1
        )
      )
    )
  }

  /// Whether a packet meets all conditions of a rule.
  @inline(__always)
  private func meets(
    _ rule: UnsafeMutablePointer<CompiledRule>,
    _ index: Int,
    _ chain: UnsafeMutablePointer<ChainCode>,
    _ packet: inout Packet,
    _ context: inout RuleContext
  ) -> Bool {
    let flags = rule.pointee.flags
    if ((context.view.source & rule.pointee.sourceMask) != rule.pointee.source)
      != flags.contains(.invertSource)
    {
      return false
    }
    if ((context.view.destination & rule.pointee.destinationMask) != rule.pointee.destination)
      != flags.contains(.invertDestination)
    {
      return false
    }
    if flags.contains(.protocol),
      (context.view.protocol != rule.pointee.protocol) != flags.contains(.invertProtocol)
    {
      return false
    }
    if !flags.isDisjoint(with: .others), !meetsOthers(rule, chain, packet, &context) {
      return false
    }
    if rule.pointee.matchCount != 0 { return meetsMatches(rule, index, chain, &packet, &context) }
    return true
  }

  @inline(__always)
  private func meetsOthers(
    _ rule: UnsafeMutablePointer<CompiledRule>,
    _ chain: UnsafeMutablePointer<ChainCode>,
    _ packet: borrowing Packet,
    _ context: inout RuleContext
  ) -> Bool {
    let flags = rule.pointee.flags
    if flags.contains(.ports) {
      guard context.hasPorts else { return false }
      let source = context.sourcePort
      if (source < rule.pointee.sourcePorts.first || source > rule.pointee.sourcePorts.last)
        != flags.contains(.invertSourcePort)
      {
        return false
      }
      let destination = context.destinationPort
      if (destination < rule.pointee.destinationPorts.first
        || destination > rule.pointee.destinationPorts.last)
        != flags.contains(.invertDestinationPort)
      {
        return false
      }
    }
    if flags.contains(.states),
      (connectionStates(packet, &context) & rule.pointee.states == 0)
        != flags.contains(.invertStates)
    {
      return false
    }
    if flags.contains(.mark),
      (packet.metadata.mark & rule.pointee.markMask != rule.pointee.mark)
        != flags.contains(.invertMark)
    {
      return false
    }
    if flags.contains(.input) {
      let name = context.input?.nameID ?? 0
      let isMet =
        flags.contains(.inputPrefix)
        ? hasPrefix(name, chain, rule.pointee.input) : name == rule.pointee.input
      if isMet == flags.contains(.invertInput) { return false }
    }
    if flags.contains(.output) {
      let name = context.output?.nameID ?? 0
      let isMet =
        flags.contains(.outputPrefix)
        ? hasPrefix(name, chain, rule.pointee.output) : name == rule.pointee.output
      if isMet == flags.contains(.invertOutput) { return false }
    }
    if flags.contains(.fragment), !context.view.isLaterFragment { return false }
    if flags.contains(.notFragment), context.view.isLaterFragment { return false }
    return true
  }

  private func hasPrefix(
    _ name: UInt32,
    _ chain: UnsafeMutablePointer<ChainCode>,
    _ index: UInt32
  ) -> Bool {
    let compiled = chain.pointee.instance.takeUnretainedValue().compiled
    return simulation.interfaceName(name).utf8.starts(with: compiled.prefixes[Int(index)].utf8)
  }

  private func meetsMatches(
    _ rule: UnsafeMutablePointer<CompiledRule>,
    _ index: Int,
    _ chain: UnsafeMutablePointer<ChainCode>,
    _ packet: inout Packet,
    _ context: inout RuleContext
  ) -> Bool {
    let first = Int(rule.pointee.firstMatch)
    let count = Int(rule.pointee.matchCount)
    let instance = chain.pointee.instance.takeUnretainedValue()
    let compiled = instance.compiled
    if compiled.chain.isStateful {
      let states = instance.states(of: index, count: count)
      for number in 0..<count
      where !meets(compiled.matches[first + number], &packet, &context, states + number) {
        return false
      }
      return true
    }
    for number in 0..<count
    where !meets(compiled.matches[first + number], &packet, &context, noState) {
      return false
    }
    return true
  }
}
