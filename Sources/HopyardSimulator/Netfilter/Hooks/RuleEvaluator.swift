import HopyardWire

/// Where evaluation goes on when a chain that was jumped to ends.
struct ChainFrame {
  let chain: UnsafeMutablePointer<ChainCode>
  let next: Int
  /// How many cursors the chain has.
  let lists: Int
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
    _ start: ChainStart,
    _ packet: inout Packet,
    at hook: Hook,
    input: InterfaceReference?,
    output: InterfaceReference?
  ) -> HookOutcome {
    guard
      var context = RuleContext(
        packet,
        at: hook,
        input: input,
        output: output,
        isNative: start.table._withUnsafeGuaranteedRef { $0.isNative }
      )
    else { return drop(.malformed) }
    let isTraced = core.pointee.isTraced
    let bottom = depth
    let floor = cursorCount
    defer {
      depth = bottom
      cursorCount = floor
    }
    let base = start.code
    let table = start.table
    var chain = base
    var index = 0
    var lists = enter(chain, context)
    walk: while true {
      let head = chain.pointee.head
      let rules = head.heads
      let count = head.pointee.count
      let isIndexed = head.pointee.index != nil
      while true {
        if isIndexed { index = nextCandidate(from: index, lists) }
        guard index < count else { break }
        guard meets(rules + index, index, chain, table, &packet, &context) else {
          index &+= 1
          continue
        }
        table._withUnsafeGuaranteedRef {
          $0.count(chain, index, bytes: context.view.totalLength)
        }
        switch rules[index].action {
        case .next:
          if isTraced { trace(chain, index, packet, context, "continue") }
        case .accept:
          if isTraced { trace(chain, index, packet, context, "accept") }
          return .accept
        case .drop:
          if isTraced { trace(chain, index, packet, context, "drop") }
          return dropped(chain, index)
        case .return:
          if isTraced { trace(chain, index, packet, context, "return") }
          index = count
          continue
        case .jump:
          if isTraced { trace(chain, index, packet, context, "jump") }
          push(ChainFrame(chain: chain, next: index &+ 1, lists: lists))
          chain = table._withUnsafeGuaranteedRef { $0.destination(chain, rules[index].operand) }
          index = 0
          lists = enter(chain, context)
          continue walk
        case .goto:
          if isTraced { trace(chain, index, packet, context, "goto") }
          chain = table._withUnsafeGuaranteedRef { $0.destination(chain, rules[index].operand) }
          index = 0
          cursorCount &-= lists
          lists = enter(chain, context)
          continue walk
        case .mark where !isTraced:
          let mark = packet.metadata.mark
          packet.metadata.mark = (mark & ~rules[index].secondOperand) ^ rules[index].operand
        case .translateDestination where !isTraced:
          bind(packet, head.range(rules[index].operand), .destination)
          return .accept
        case .translateSource where !isTraced:
          bind(packet, head.range(rules[index].operand), .source)
          return .accept
        case .target, .mark, .translateDestination, .translateSource:
          switch carryOut(chain, index, &packet, &context, isTraced) {
          case .next: break
          case .accept: return .accept
          case .drop: return dropped(chain, index)
          case .fate(let fate): return drop(fate)
          }
        }
        index &+= 1
      }
      guard depth > bottom, let stack else { break }
      depth &-= 1
      chain = stack[depth].chain
      index = stack[depth].next
      cursorCount &-= lists
      lists = stack[depth].lists
    }
    // A chain that was gone to returns to where the last jump came from: here, the policy.
    let length = context.view.totalLength
    table._withUnsafeGuaranteedRef { $0.countPolicy(base, bytes: length) }
    let drops = base.pointee.head.pointee.dropsByPolicy
    if isTraced { tracePolicy(base, packet, context, drops) }
    return drops ? dropped(base, -1) : .accept
  }

  /// Finds a packet's candidates in a chain, and gives the number of their lists.
  @inline(__always)
  private func enter(_ chain: UnsafeMutablePointer<ChainCode>, _ context: borrowing RuleContext)
    -> Int
  {
    guard let index = chain.pointee.head.pointee.index else { return 0 }
    if cursorCount &+ RuleIndex.maximumLists > cursorCapacity { growCursors() }
    guard let cursors else { return 0 }
    let lists = index.pointee.find(context, cursors + cursorCount)
    cursorCount &+= lists
    return lists
  }

  private func growCursors() {
    let capacity = max(2 * RuleIndex.maximumLists, cursorCapacity * 2)
    let new = UnsafeMutablePointer<UnsafeMutablePointer<Int32>>.allocate(capacity: capacity)
    if let cursors {
      new.moveInitialize(from: cursors, count: cursorCount)
      cursors.deallocate()
    }
    cursors = new
    cursorCapacity = capacity
  }

  /// The first of the packet's candidates from a rule on; behind all rules if there is none.
  @inline(__always)
  private func nextCandidate(from index: Int, _ lists: Int) -> Int {
    guard let cursors else { return .max }
    var best = Int(RuleIndex.end)
    for place in (cursorCount &- lists)..<cursorCount {
      var list = cursors[place]
      while Int(list.pointee) < index { list += 1 }
      cursors[place] = list
      best = min(best, Int(list.pointee))
    }
    return best
  }

  @inline(__always)
  private func push(_ frame: ChainFrame) {
    if depth == stackCapacity { growStack() }
    (stack.unsafelyUnwrapped + depth).initialize(to: frame)
    depth &+= 1
  }

  private func growStack() {
    let capacity = max(8, stackCapacity * 2)
    let new = UnsafeMutablePointer<ChainFrame>.allocate(capacity: capacity)
    if let stack {
      new.moveInitialize(from: stack, count: depth)
      stack.deallocate()
    }
    stack = new
    stackCapacity = capacity
  }

  /// A rule's verdict DROP; -1 stands for the policy.
  private func dropped(_ chain: UnsafeMutablePointer<ChainCode>, _ index: Int) -> HookOutcome {
    drop(
      .netfilter(
        RuleReference(
          table: chain.pointee.tableName,
          chain: chain.pointee.name,
          rule: index + 1
        )
      )
    )
  }

  /// Whether a packet meets all conditions of a rule.
  @inline(__always)
  private func meets(
    _ rule: UnsafeMutablePointer<RuleHead>,
    _ index: Int,
    _ chain: UnsafeMutablePointer<ChainCode>,
    _ table: Unmanaged<TableInstance>,
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
    if flags.contains(.anyPorts), !context.hasPorts { return false }
    if !flags.isDisjoint(with: .others),
      !meetsOthers(chain.pointee.head.pointee.rules + index, flags, chain, packet, &context)
    {
      return false
    }
    if flags.contains(.matches) {
      return meetsMatches(
        chain.pointee.head.pointee.rules + index,
        index,
        chain,
        table,
        &packet,
        &context
      )
    }
    // Lots are drawn last.
    return !flags.contains(.chance)
      || (core.drawLot() < rule.pointee.secondOperand) != flags.contains(.invertChance)
  }

  @inline(__always)
  private func meetsOthers(
    _ rule: UnsafeMutablePointer<CompiledRule>,
    _ flags: CompiledRule.Flags,
    _ chain: UnsafeMutablePointer<ChainCode>,
    _ packet: borrowing Packet,
    _ context: inout RuleContext
  ) -> Bool {
    if flags.contains(.ports) {
      guard context.hasWords else { return false }
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
    return !flags.contains(.notFragment) || !context.view.isLaterFragment
  }

  @inline(never)
  private func hasPrefix(
    _ name: UInt32,
    _ chain: UnsafeMutablePointer<ChainCode>,
    _ index: UInt32
  ) -> Bool {
    let compiled = chain.pointee.compiled.takeUnretainedValue()
    return simulation.interfaceName(name).utf8.starts(with: compiled.prefixes[Int(index)].utf8)
  }

  private func meetsMatches(
    _ rule: UnsafeMutablePointer<CompiledRule>,
    _ index: Int,
    _ chain: UnsafeMutablePointer<ChainCode>,
    _ table: Unmanaged<TableInstance>,
    _ packet: inout Packet,
    _ context: inout RuleContext
  ) -> Bool {
    let first = Int(rule.pointee.firstMatch)
    let count = Int(rule.pointee.matchCount)
    let compiled = chain.pointee.compiled.takeUnretainedValue()
    if compiled.chain.isStateful {
      let states = table.takeUnretainedValue().states(
        ofChain: chain.pointee.number,
        rule: index,
        count: count
      )
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
