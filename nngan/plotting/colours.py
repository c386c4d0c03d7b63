"""The two colours of all figures: one for D and real data, one for G and its samples."""

# Of Okabe and Ito's set, which colour-blind readers can tell apart.
BLUE = "#0072B2"  # the discriminator, real data
VERMILION = "#D55E00"  # the generator, generated samples
