// Hopyard
