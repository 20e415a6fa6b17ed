/// The sets of a network namespace.
public final class IPSets {
  /// The longest name that the kernel takes.
  public static let nameLimit = 31
  private unowned(unsafe) let simulation: Simulation
  @exclusivity(unchecked) private var sets: [String: IPSet] = [:]
  /// The names in the order of their places in the kernel's table; a free place is empty.
  private var places: [String?] = []

  init(simulation: Simulation) {
    self.simulation = simulation
  }

  /// The set of a name.
  @inline(__always)
  public subscript(name: String) -> IPSet? { sets[name] }

  /// All sets, those of lists last, as they are listed.
  public var all: [IPSet] {
    let inOrder = places.compactMap { $0.flatMap { sets[$0] } }
    return inOrder.filter { $0.type.method != .list } + inOrder.filter { $0.type.method == .list }
  }

  /// Whether there is no set.
  public var isEmpty: Bool { sets.isEmpty }

  private func existing(_ name: String) throws(SetError) -> IPSet {
    guard let set = sets[name] else { throw .noSuchSet }
    return set
  }

  /// Makes a set; with `exist` one of the same name and content may be there.
  public func create(
    _ name: String,
    _ type: SetType,
    _ options: SetOptions,
    exist: Bool = false
  ) throws(SetError) {
    let options = try checked(options, type)
    if let known = sets[name] {
      guard exist, known.type == type, known.options.isSame(as: options, type.method) else {
        throw .exists
      }
      return
    }
    sets[name] = IPSet(name, type, options, in: simulation)
    if let free = places.firstIndex(of: nil) { places[free] = name } else { places.append(name) }
  }

  private func checked(_ wanted: SetOptions, _ type: SetType) throws(SetError) -> SetOptions {
    var options = wanted
    switch type.method {
    case .list:
      if options.listSize < 4 { options.listSize = 4 }
    case .hash:
      let even = (Int(options.bucketSize) + 1) & ~1
      options.bucketSize = UInt8(clamping: min(12, max(2, even)))
      if let prefix = options.prefix {
        guard prefix > 0, Int(prefix) <= options.family.addressBits else { throw .invalidNetmask }
        if Int(prefix) == options.family.addressBits { options.prefix = nil }
      }
    case .bitmap:
      guard type.parts.first == .address else { return options }
      var low = options.range.lowerBound
      var high = options.range.upperBound
      var count = UInt64(high) - UInt64(low) + 1
      if let prefix = options.prefix, type.parts.count == 1 {
        guard prefix > 0, prefix < 32 else {
          if prefix == 32 {
            options.prefix = nil
            if count > 65536 { throw .rangeSize }
            return options
          }
          throw .invalidNetmask
        }
        let mask = UInt32(truncatingIfNeeded: options.mask(length: Int(prefix)))
        low &= mask
        high |= ~mask
        // The range must be a network of its own that holds more than one of the masked ones.
        let length = (low ^ high).leadingZeroBitCount
        let network = UInt32(truncatingIfNeeded: options.mask(length: length))
        guard low & ~network == 0, high | network == .max, Int(prefix) > length else {
          throw .outOfRange
        }
        count = UInt64(1) << UInt64(Int(prefix) - length)
        options.range = low...high
      }
      if count > 65536 { throw .rangeSize }
    }
    return options
  }

  /// Adds, removes or looks for entries.
  public func perform(
    _ operation: SetOperation,
    in name: String,
    _ request: SetRequest,
    exist: Bool = false
  ) throws(SetError) -> Bool {
    let set = try existing(name)
    guard set.type.method == .list else {
      return try set.perform(operation, request, exist: exist)
    }
    try set.checkInformation(request.information)
    guard let member = request.member.flatMap({ sets[$0] }) else { throw .noMember }
    if member.type.method == .list { throw .loop }
    if let reference = request.reference, sets[reference] == nil { throw .noReferenceSet }
    return try set.performOnList(operation, request, exist: exist)
  }

  /// How many lists hold a set.
  func listReferences(to name: String) -> Int {
    sets.values.reduce(0) { count, set in
      set.type.method == .list && set.members.contains { $0.member == name } ? count + 1 : count
    }
  }

  /// Removes a set; `references` counts the rules that use one.
  public func destroy(_ name: String, references: (String) -> Int) throws(SetError) {
    _ = try existing(name)
    guard references(name) == 0 else { throw .busy }
    remove(name)
  }

  /// Removes all sets, or none if one is in use.
  public func destroyAll(references: (String) -> Int) throws(SetError) {
    for set in all where references(set.name) > 0 { throw .busy }
    sets = [:]
    places = []
  }

  private func remove(_ name: String) {
    sets[name] = nil
    if let place = places.firstIndex(of: name) { places[place] = nil }
    while places.last == .some(nil) { places.removeLast() }
  }

  /// Removes the entries of a set, or of all.
  public func flush(_ name: String?) throws(SetError) {
    guard let name else {
      for set in all { set.flush() }
      return
    }
    try existing(name).flush()
  }

  /// Gives a set another name.
  public func rename(
    _ name: String,
    to newName: String,
    references: (String) -> Int
  ) throws(SetError) {
    let set = try existing(name)
    guard references(name) == 0 else { throw .referenced }
    guard sets[newName] == nil else { throw .newNameExists }
    sets[name] = nil
    set.name = newName
    sets[newName] = set
    if let place = places.firstIndex(of: name) { places[place] = newName }
  }

  /// Swaps the content of two sets.
  public func swap(_ name: String, _ otherName: String) throws(SetError) {
    let set = try existing(name)
    guard let other = sets[otherName] else { throw .noSecondSet }
    guard set.type.content == other.type.content, set.options.family == other.options.family
    else { throw .typeMismatch }
    set.name = otherName
    other.name = name
    sets[otherName] = set
    sets[name] = other
  }
}
