/// The entries of `list:set`: names of other sets, in an order that the user chooses.
extension IPSet {
  /// Adds, removes or looks for a set in a list.
  func performOnList(
    _ operation: SetOperation,
    _ request: SetRequest,
    exist: Bool
  ) throws(SetError) -> Bool {
    try checkInformation(request.information)
    guard let name = request.member else { throw .invalid }
    let now = simulation.now.nanoseconds
    switch operation {
    case .add:
      try addMember(name, request, exist)
      return true
    case .delete:
      let living = members.indices.filter { members[$0].deadline > now }
      guard let place = living.first(where: { members[$0].member == name }),
        isPlaced(place, request, among: living)
      else {
        if request.reference != nil { throw .referenceNotAdded }
        if exist { return true }
        throw .notAdded
      }
      members.remove(at: place)
      return true
    case .test:
      let living = members.indices.filter { members[$0].deadline > now }
      guard let place = living.first(where: { members[$0].member == name }) else { return false }
      return isPlaced(place, request, among: living)
    }
  }

  /// Whether a member stands where `before` or `after` wants it.
  private func isPlaced(_ place: Int, _ request: SetRequest, among living: [Int]) -> Bool {
    guard let reference = request.reference else { return true }
    let position = living.firstIndex(of: place) ?? 0
    let neighbour = request.isBefore ? position + 1 : position - 1
    return living.indices.contains(neighbour) && members[living[neighbour]].member == reference
  }

  private func addMember(
    _ name: String,
    _ request: SetRequest,
    _ exist: Bool
  ) throws(SetError) {
    members.removeAll { $0.deadline <= simulation.now.nanoseconds }
    var place = members.count
    if let reference = request.reference {
      guard let found = members.firstIndex(where: { $0.member == reference }), reference != name
      else { throw .referenceNotAdded }
      place = request.isBefore ? found : found + 1
    }
    if let known = members.firstIndex(where: { $0.member == name }) {
      guard exist else { throw .alreadyAdded }
      update(&members[known], request.information)
      return
    }
    var element = SetElement(key: SetKey())
    element.member = name
    update(&element, request.information)
    members.insert(element, at: place)
  }
}
