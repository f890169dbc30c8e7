"""How often a data set's labels are what others say of the same images: <data set>.csv, as the rule `links` wrote it.

A preset with `audit: {between: [fer2013, ferplus]}` writes such a table (refer.evaluation.label_agreement has its
columns). It is kept here, so that tables of accuracies can say it where FER+ is not at hand.
"""
