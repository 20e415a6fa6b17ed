/// A namespace's routing tables and policy rules for one version of IP.
///
///     let tables = RoutingTables<UInt32>()
///     tables.devices = namespace
///     try tables.insert(route, mode: .create)
///     let way = try tables.lookup(FlowKey(destination: 0x0808_0808))
///
/// Semantics are those of Linux's `fib_trie.c`, `fib_semantics.c`, `fib_frontend.c` and
/// `fib_rules.c`.
public final class RoutingTables<Address: RoutableAddress> {
  /// Counts changes: what was looked up before the last one is out of date.
  @exclusivity(unchecked) public internal(set) var generation: UInt32 = 1

  /// The devices of the namespace.
  @exclusivity(unchecked) public unowned(unsafe) var devices: (any RouteDeviceInformation<Address>)?

  /// How multipath routes divide flows (`fib_multipath_hash_policy`): 0 by addresses, 1 by ports.
  @exclusivity(unchecked) public var multipathHashPolicy: UInt8 = 0

  /// Whether multipath routes avoid gateways that do not answer (`fib_multipath_use_neigh`).
  @exclusivity(unchecked) public var multipathUsesNeighbours = false

  /// What the multipath hash starts from, so that runs with another seed divide otherwise.
  public var multipathSeed: UInt64 = 0

  @exclusivity(unchecked) var aliases: ContiguousArray<FIBAlias<Address>> = []
  @exclusivity(unchecked) var routes: ContiguousArray<Route<Address>> = []
  var freeRoutes: [Int32] = []

  /// The tables by number, in the order of the numbers.
  @exclusivity(unchecked) var numbers: [UInt32] = []
  @exclusivity(unchecked) var tables: [FIBTable<Address>] = []
  /// The tables that lookups without custom rules ask.
  @exclusivity(unchecked) var mainTable: FIBTable<Address>?
  @exclusivity(unchecked) var defaultTable: FIBTable<Address>?

  /// The policy rules; nil stands for the three standard ones, which few namespaces change.
  @exclusivity(unchecked) private(set) var changedRules: [PolicyRule<Address>]?
  var ruleList: [PolicyRule<Address>] {
    get { changedRules ?? Self.standardRules }
    set { changedRules = newValue }
  }
  /// The same rules as lookups read them.
  @exclusivity(unchecked) var compiledRules: ContiguousArray<CompiledPolicy<Address>> = []
  /// Whether rules were ever added or deleted.
  @exclusivity(unchecked) public internal(set) var hasCustomRules = false
  /// Whether any rule looks at protocol or ports, so that packets are dissected for lookups.
  @exclusivity(unchecked) public internal(set) var rulesNeedPorts = false
  /// Whether a user added a route of type local.
  @exclusivity(unchecked) public internal(set) var hasCustomLocalRoutes = false
  /// Which of equal default routes was used last, by route; for dead gateway detection.
  var defaultChoice: [Int32: Int] = [:]

  /// Whether a flow's addresses and mark alone decide its way, so that it may be remembered.
  var dividesByAddressesOnly: Bool {
    !rulesNeedPorts && !multipathUsesNeighbours && (mainTable?.defaultCount ?? 0) <= 1
      && (defaultTable?.defaultCount ?? 0) == 0
  }

  /// The nexthop objects, in the order of their numbers.
  var nexthopObjects: [NexthopObject<Address>] = []

  /// Makes the standard tables and the three standard rules.
  public init() {}

  private static var standardRules: [PolicyRule<Address>] {
    [(UInt32(0), RouteTable.local), (32766, RouteTable.main), (32767, RouteTable.default)]
      .map { priority, table in
        var rule = PolicyRule<Address>()
        rule.priority = priority
        rule.table = table
        rule.protocol = .kernel
        return rule
      }
  }

  /// The index of a table in ``tables``, or where it would go.
  func position(_ number: UInt32) -> (index: Int, exists: Bool) {
    var low = 0
    var high = numbers.count
    while low < high {
      let middle = (low + high) / 2
      if numbers[middle] < number { low = middle + 1 } else { high = middle }
    }
    return (low, low < numbers.count && numbers[low] == number)
  }

  /// The table of a number, or nil.
  @inline(__always)
  func table(_ number: UInt32) -> FIBTable<Address>? {
    let place = position(number)
    return place.exists ? tables[place.index] : nil
  }

  /// The table of a number, made if there is none.
  func makeTable(_ number: UInt32) -> FIBTable<Address> {
    let place = position(number)
    if place.exists { return tables[place.index] }
    let made: FIBTable<Address>
    if !hasCustomRules, number == RouteTable.main || number == RouteTable.local {
      let other = number == RouteTable.main ? RouteTable.local : RouteTable.main
      made = table(other) ?? FIBTable()
    } else {
      made = FIBTable()
    }
    numbers.insert(number, at: place.index)
    tables.insert(made, at: place.index)
    if !hasCustomRules, number == RouteTable.main || number == RouteTable.local {
      mainTable = made
    }
    if number == RouteTable.main { mainTable = made }
    if number == RouteTable.default { defaultTable = made }
    return made
  }

  /// Whether a table exists.
  public func hasTable(_ number: UInt32) -> Bool { position(number).exists }

  /// Gives the `local` table a trie of its own, as the first custom rule does.
  func separateLocalTable() {
    guard !hasCustomRules else { return }
    hasCustomRules = true
    guard let merged = mainTable else { return }
    let kept = dump(merged, table: nil)
    let ownMain = FIBTable<Address>()
    let ownLocal = FIBTable<Address>()
    for (index, number) in numbers.enumerated() {
      if number == RouteTable.main { tables[index] = ownMain }
      if number == RouteTable.local { tables[index] = ownLocal }
    }
    mainTable = hasTable(RouteTable.main) ? ownMain : nil
    for index in kept {
      let table = aliases[Int(index)].table == RouteTable.local ? ownLocal : ownMain
      aliases[Int(index)].next = -1
      link(index, into: table, before: -1)
    }
    generation &+= 1
  }

  /// Stores a route and gives its index.
  func store(_ route: Route<Address>) -> Int32 {
    if let index = freeRoutes.popLast() {
      routes[Int(index)] = route
      aliases[Int(index)] = FIBAlias(route)
      return index
    }
    routes.append(route)
    aliases.append(FIBAlias(route))
    return Int32(routes.count - 1)
  }

  /// Takes over a change of a stored route into what lookups read.
  func refresh(_ index: Int32) {
    aliases[Int(index)].refresh(from: routes[Int(index)])
  }

  /// The order in which routes of one prefix are asked: tables, then types of service.
  func comesBefore(_ left: FIBAlias<Address>, _ right: FIBAlias<Address>) -> Bool {
    if left.table != right.table { return left.table > right.table }
    if left.tos != right.tos { return left.tos > right.tos }
    return left.priority < right.priority
  }

  /// Puts a stored route into its prefix's list before another, or in its place by order.
  func link(_ index: Int32, into table: FIBTable<Address>, before successor: Int32) {
    let alias = aliases[Int(index)]
    let head = table.tree.head(alias.prefix, Int(alias.length))
    var previous: Int32 = -1
    var current = head
    while current >= 0, current != successor {
      if successor < 0, comesBefore(alias, aliases[Int(current)]) { break }
      previous = current
      current = aliases[Int(current)].next
    }
    aliases[Int(index)].next = current
    if previous >= 0 {
      aliases[Int(previous)].next = index
    } else {
      table.tree.setHead(index, alias.prefix, Int(alias.length))
    }
    if alias.length == 0 { table.defaultCount += 1 }
  }

  /// Takes a stored route out of its prefix's list and frees it.
  func unlink(_ index: Int32, from table: FIBTable<Address>) {
    let alias = aliases[Int(index)]
    var previous: Int32 = -1
    var current = table.tree.head(alias.prefix, Int(alias.length))
    while current >= 0, current != index {
      previous = current
      current = aliases[Int(current)].next
    }
    guard current == index else { return }
    if previous >= 0 {
      aliases[Int(previous)].next = alias.next
    } else {
      table.tree.setHead(alias.next, alias.prefix, Int(alias.length))
    }
    if alias.length == 0 { table.defaultCount -= 1 }
    defaultChoice[index] = nil
    freeRoutes.append(index)
    generation &+= 1
  }

  /// The routes of a trie in the order in which Linux lists them, of one table or of all.
  ///
  /// By address, then longer prefixes first, then as they are asked.
  func dump(_ table: FIBTable<Address>, table number: UInt32?) -> [Int32] {
    let heads = table.tree.heads().sorted { left, right in
      let first = aliases[Int(left)]
      let second = aliases[Int(right)]
      return (first.prefix, second.length) < (second.prefix, first.length)
    }
    var found: [Int32] = []
    for head in heads {
      var current = head
      while current >= 0 {
        if number == nil || aliases[Int(current)].table == number { found.append(current) }
        current = aliases[Int(current)].next
      }
    }
    return found
  }

  /// The numbers of the tables in the order in which Linux lists them: by their lowest octet.
  public var tableNumbers: [UInt32] {
    numbers.sorted { ($0 & 255, $1) < ($1 & 255, $0) }
  }

  /// The routes of a table as `ip route show table N` lists them.
  public func routes(inTable number: UInt32) -> [Route<Address>] {
    guard let table = table(number) else { return [] }
    return dump(table, table: number).map { routes[Int($0)] }
  }

  /// The routes of all tables as `ip route show table all` lists them.
  public var allRoutes: [Route<Address>] { tableNumbers.flatMap { routes(inTable: $0) } }

  /// The whole of a route that a lookup found.
  public func route(_ reference: RouteReference) -> Route<Address>? {
    let index = Int(reference.index)
    return index >= 0 && index < routes.count ? routes[index] : nil
  }
}
