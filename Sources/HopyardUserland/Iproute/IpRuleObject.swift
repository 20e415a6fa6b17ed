import HopyardSimulator
import HopyardWire

extension IpObject {
  /// `ip rule`.
  static let rule = IpObject(
    "rule",
    check: { IpRule.check($0, $1) },
    run: { context, arguments throws(ProcessExit) in
      try IpRule.run(arguments, context)
    }
  )
}

/// The commands of `ip rule`.
enum IpRule {
  private static let refusedWords: Set<String> = [
    "l3mdev", "nat", "map-to", "tun_id", "save", "restore",
  ]

  static func check(
    _ arguments: [String?],
    _ options: IpOptions
  ) -> (index: Int, message: String)? {
    for (index, argument) in arguments.enumerated() {
      guard let word = argument else { continue }
      if refusedWords.contains(word) {
        if index > 0, let before = arguments[index - 1], ["dev", "oif", "iif"].contains(before) {
          continue
        }
        return (index, "`\(word)' of ip rule is not modelled")
      }
      if IproutePrefix.isIPv6(word) { return (index, "IPv6 is not modelled") }
    }
    if options.family != .unspecified, options.family != .inet {
      return (0, "rules of this family are not modelled")
    }
    return nil
  }

  static func run(_ arguments: [String], _ context: IpContext) throws(ProcessExit) -> Int32 {
    guard let word = arguments.first else { return try show([], context) }
    let rest = Array(arguments.dropFirst())
    func isWord(_ name: String) -> Bool { IpOptions.matches(word, name) }
    if isWord("list") || isWord("lst") || isWord("show") { return try show(rest, context) }
    if isWord("add") { return try modify(rest, adds: true, context) }
    if isWord("delete") { return try modify(rest, adds: false, context) }
    if isWord("flush") { return try flush(rest, context) }
    if isWord("help") {
      context.printError(IpRuleText.usage)
      return 255
    }
    context.printError("Command \"\(word)\" is unknown, try \"ip rule help\".\n")
    return 255
  }

  private static func modify(
    _ words: [String],
    adds: Bool,
    _ context: IpContext
  ) throws(ProcessExit) -> Int32 {
    if words.isEmpty {
      context.printError("\"ip rule \(adds ? "add" : "del")\" requires arguments.\n")
      return 1
    }
    let request = try RuleRequest.parse(words, adds: adds, context)
    if request.selector.rule.tos & 3 != 0 {
      return context.answer(
        RouteError(.invalidArgument, "Invalid dsfield (tos): ECN bits must be 0")
      )
    }
    if adds, request.selector.rule.tos & ~0x1c != 0 {
      return context.answer(RouteError(.invalidArgument, "Invalid tos"))
    }
    do throws(RouteError) {
      if let problem = request.rangeProblem { throw RouteError(.invalidArgument, problem) }
      if adds {
        try context.namespace.insertRule(
          request.selector.rule,
          priorityGiven: request.selector.comparesPriority
        )
      } else {
        try context.namespace.deleteRule(request.selector)
      }
      return 0
    } catch {
      return context.answer(error)
    }
  }

  private static func show(
    _ words: [String],
    _ context: IpContext
  ) throws(ProcessExit) -> Int32 {
    let filter = try RuleFilter.parse(words, context)
    var output = context.makeOutput()
    for rule in context.namespace.routes.rules where filter.accepts(rule) {
      IpRuleText.print(rule, context, &output)
    }
    context.print(output)
    return 0
  }

  private static func flush(
    _ words: [String],
    _ context: IpContext
  ) throws(ProcessExit) -> Int32 {
    let filter = try RuleFilter.parse(words, context)
    for rule in context.namespace.routes.rules
    where rule.priority != 0 && filter.accepts(rule, forFlush: true) {
      var selector = PolicyRuleSelector<UInt32>()
      selector.rule = rule
      selector.comparesPriority = true
      selector.comparesAction = true
      selector.comparesTable = rule.action == .table
      selector.comparesMark = true
      selector.comparesMask = true
      selector.comparesSource = true
      selector.comparesDestination = true
      try? context.namespace.deleteRule(selector)
    }
    return 0
  }
}
